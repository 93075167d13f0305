"""Names of model sets: the table, the grammar behind it, and the defaults of a folder."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from unlearn.config import ClosedForm, ForgetConfig, Person, PortraitConfig
from unlearn.errors import ConfigError
from unlearn.models.sets import EMBEDDED_ROOT, find_model_set, list_model_sets


def test_list_holds_the_papers_sets_and_the_embedded_one_first() -> None:
    assert [one.name for one in list_model_sets()] == ["embedded", "sd14", "vit-b-32", "vit-b-16", "vit-l-14", "rn50"]


@pytest.mark.parametrize(
    ("name", "clip", "weights", "beta"),
    [
        ("sd14", "ViT-L-14", "openai", 0.005),
        ("vit-b-32", "ViT-B-32", "laion400m_e32", 0.01),
        ("vit-l-14", "ViT-L-14", "laion400m_e32", 0.005),
        ("rn50", "RN50", "openai", 0.01),
    ],
)
def test_known_set_has_the_papers_weights_and_regularisation(name: str, clip: str, weights: str, beta: float) -> None:
    found = find_model_set(name)
    assert (found.clip, found.weights, found.text.regularization_weight) == (clip, weights, beta)
    assert found.diffusion == "CompVis/stable-diffusion-v1-4"


def test_rn50_trains_its_image_encoder_more_gently() -> None:
    assert find_model_set("rn50").image.learning_rate == 1e-5
    assert find_model_set("vit-b-32").image.learning_rate == 1e-4


def test_embedded_set_points_into_the_repository() -> None:
    found = find_model_set("embedded")
    assert found.clip_folder == EMBEDDED_ROOT / "clip"
    assert found.portraits.prompt_template.count("{0}") == 1


def test_any_open_clip_name_takes_tag_activation_and_diffusion_folder() -> None:
    found = find_model_set("ViT-B-32:/some/where/weights.safetensors@gelu+/models/sd")
    assert (found.clip, found.weights) == ("ViT-B-32", "/some/where/weights.safetensors")
    assert (found.activation, found.diffusion) == ("gelu", "/models/sd")
    assert find_model_set("ViT-B-32:laion2b_s34b_b79k").diffusion is None


def test_diffusion_none_takes_the_diffusion_model_away() -> None:
    assert find_model_set("vit-b-32+none").diffusion is None


UNKNOWN = ["", "nonsense", "vit-b-33", "ViT-B-32:", ":openai", "vit-b-32@relu", "/no/such/folder", "x" * 300, "~nobody-here/set"]


@pytest.mark.parametrize("name", UNKNOWN)
def test_unknown_name_is_an_error_that_lists_the_known_ones(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find_model_set(name)
    assert "vit-b-32" in str(caught.value) or "quick_gelu" in str(caught.value)


def _folder(root: Path, defaults: object) -> Path:
    (root / "clip").mkdir(parents=True)
    (root / "clip" / "open_clip_config.json").write_text("{}")
    (root / "defaults.json").write_text(json.dumps(defaults))
    return root


def test_folder_is_a_set_without_what_it_lacks(tmp_path: Path) -> None:
    found = find_model_set(str(_folder(tmp_path / "one", {})))
    assert found.clip_folder == tmp_path / "one" / "clip"
    assert found.diffusion is None
    assert found.world is None
    assert found.needs_gpu and found.portraits == PortraitConfig(), "nothing is taken for small that does not say so"


def test_folder_defaults_override_fields(tmp_path: Path) -> None:
    defaults = {"text": {"n_steps": 33, "early_stop": {"every": 3}}, "portraits": {"n_steps": 7}}
    found = find_model_set(str(_folder(tmp_path / "one", defaults)))
    assert found.text.n_steps == 33
    assert found.text.early_stop is not None
    assert found.text.early_stop.every == 3
    assert found.portraits.n_steps == 7


def test_another_diffusion_model_needs_a_gpu_again(tmp_path: Path) -> None:
    small = str(_folder(tmp_path / "one", {"needs_gpu": False}))
    assert not find_model_set(small).needs_gpu and not find_model_set(f"{small}+none").needs_gpu
    assert find_model_set(f"{small}+{tmp_path}").needs_gpu and not find_model_set("embedded").needs_gpu


@pytest.mark.parametrize("defaults", [{"text": {"n_stepps": 3}}, {"text": 5}, [1], {"text": {"early_stop": {"x": 1}}}, {"needs_gpu": "no"}])
def test_folder_defaults_that_are_wrong_are_an_error(tmp_path: Path, defaults: object) -> None:
    with pytest.raises(ConfigError, match=r"defaults\.json"):
        find_model_set(str(_folder(tmp_path / "one", defaults)))


def test_closed_form_alone_takes_the_sets_own_where_the_schedule_has_none(tmp_path: Path) -> None:
    form = {"n_blocks": 1, "moments": "kept.safetensors"}
    own = find_model_set(str(_folder(tmp_path / "one", {"text": {"closed_form": form}, "neutral_text": {"closed_form": None}})))
    config = ForgetConfig((Person("Ada"),), own.name, target="neutral_term")
    assert own.resolved(config).text.closed_form is None
    asked = own.resolved(replace(config, method="closed-form")).text.closed_form
    assert asked is not None and asked == own.text.closed_form and asked.moments == str(tmp_path / "one" / "kept.safetensors")
    plain = find_model_set("vit-b-32")
    assert plain.resolved(ForgetConfig((Person("Ada"),), plain.name, method="closed-form")).text.closed_form == ClosedForm()


@pytest.mark.parametrize("folder", ["a+b", "a@b", "a+b@gelu", "é è+1 @x"])
def test_paths_with_plus_and_at_are_read_as_paths_where_they_exist(tmp_path: Path, folder: str) -> None:
    root = _folder(tmp_path / folder / "set", {})
    (file := tmp_path / folder / "model@2+3.safetensors").touch()
    (sd := tmp_path / folder / "sd+1").mkdir()
    for mark, activation in (("", "matched"), ("@gelu", "gelu")):
        for behind, diffusion in (("", None), (f"+{sd}", str(sd)), ("+none", None), ("+owner/name", "owner/name")):
            found = find_model_set(f"{root}{mark}{behind}")
            assert (found.clip_folder, found.activation, found.diffusion) == (root / "clip", activation, diffusion)
            found = find_model_set(f"ViT-B-32:{file}{mark}{behind}")
            assert (found.weights, found.activation, found.diffusion) == (str(file), activation, diffusion)
            found = find_model_set(f"embedded{mark}{behind or '+none'}")
            assert (found.activation, found.diffusion) == (activation, diffusion)


def test_of_two_folders_that_exist_the_longer_name_is_meant(tmp_path: Path) -> None:
    short, long = _folder(tmp_path / "a", {}), _folder(tmp_path / "a+b", {})
    assert find_model_set(str(long)).clip_folder == long / "clip"
    assert find_model_set(f"{short}+./b").diffusion == "./b"


@pytest.mark.parametrize("name", ["ViT-B-32:/no/a+b/m.safetensors", "ViT-B-32:/no/m@2.safetensors", "ViT-B-32:/no/a+b/m@2.safetensors"])
def test_missing_checkpoint_with_plus_and_at_keeps_its_name_for_the_message(name: str) -> None:
    found = find_model_set(name)
    assert (found.clip, found.weights, found.diffusion) == ("ViT-B-32", name.partition(":")[2], None)


def test_nothing_behind_the_plus_is_an_error() -> None:
    with pytest.raises(ConfigError, match="Nothing stands behind"):
        find_model_set("embedded+")


@pytest.mark.parametrize(("width", "beta"), [(768, 0.005), (512, 0.01)])
def test_folder_of_transformers_takes_the_papers_settings_for_its_size(tmp_path: Path, width: int, beta: float) -> None:
    text = {"hidden_size": width, "num_attention_heads": width // 64, "intermediate_size": 4 * width}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip", "projection_dim": 768, "text_config": text}))
    found = find_model_set(f"{tmp_path}+/models/sd.safetensors")
    assert (found.clip_folder, found.diffusion) == (tmp_path, "/models/sd.safetensors")
    assert found.text.regularization_weight == beta and found.text.early_stop is not None


def test_file_that_holds_a_stable_diffusion_is_read_behind_the_last_plus(tmp_path: Path) -> None:
    (tmp_path / "one+two.ckpt").touch()
    found = find_model_set(f"rn50+{tmp_path / 'one+two.ckpt'}")
    assert (found.clip, found.diffusion) == ("RN50", str(tmp_path / "one+two.ckpt"))
