"""Loading the CLIP of a model set: the right activation, the right text encoder, and clear errors."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.support.miniature import build_miniature
from unlearn.bench.timing import full_size_text
from unlearn.config import Settings
from unlearn.errors import ConfigError, ModelLoadError
from unlearn.models import clip as clip_module
from unlearn.models.activations import resolve_activation
from unlearn.models.clip import Clip, default_model_set, load_clip, resolve_device, resolve_precision
from unlearn.models.diffusion_text import activation_of, pad_token_id
from unlearn.models.encoders import OpenClipText
from unlearn.models.sets import find_model_set


@pytest.fixture
def changed(miniature: Path, tmp_path: Path) -> Path:
    """A copy of the miniature that a test may change."""
    return Path(shutil.copytree(miniature, tmp_path / "set"))


def test_shared_text_encoder_is_one_object_padded_as_the_diffusion_model_expects(original: Clip, miniature: Path) -> None:
    assert original.is_shared
    tokens = original.text.tokenize(["a photo"])
    assert tokens[0, -1] == pad_token_id(miniature / "stable-diffusion") == tokens.max()


def test_weights_are_frozen_float32_in_eval_mode(original: Clip) -> None:
    for encoder in (original.text, original.image):
        assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}
        assert not any(parameter.requires_grad for parameter in encoder.parameters())
        assert not any(module.training for module in encoder.modules())


def test_other_text_weights_in_the_diffusion_model_are_a_second_encoder(changed: Path, settings: Settings) -> None:
    file = changed / "stable-diffusion" / "text_encoder" / "model.safetensors"
    state = load_file(file)
    name = next(key for key in state if key.endswith("final_layer_norm.bias"))
    save_file({**state, name: state[name] + 0.1}, file, metadata={"format": "pt"})
    found = load_clip(str(changed), settings)
    assert not found.is_shared
    assert found.hidden is not None and not found.hidden.pools
    assert found.text.tokenize(["a photo"])[0, -1] == 0  # CLIP's own padding
    student = found.with_text(found.text, found.hidden)
    assert student.text is found.text and student.hidden is found.hidden


def test_other_activation_in_the_diffusion_model_is_a_second_encoder(changed: Path, settings: Settings) -> None:
    file = changed / "stable-diffusion" / "text_encoder" / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "hidden_act": "gelu"}))
    assert not load_clip(str(changed), settings).is_shared


def test_set_without_diffusion_has_no_hidden_encoder(miniature: Path, settings: Settings) -> None:
    found = load_clip(f"{miniature}+none", settings)
    assert found.hidden is None and not found.is_shared


def test_equal_files_give_equal_hashes_and_other_weights_others(original: Clip, tmp_path: Path, settings: Settings) -> None:
    same = load_clip(original.model_set.name, settings)
    assert (same.text.weights_hash, same.image.weights_hash) == (original.text.weights_hash, original.image.weights_hash)
    other = load_clip(str(build_miniature(tmp_path / "other", seed=1, with_diffusion=False)), settings)
    assert other.text.weights_hash != original.text.weights_hash
    assert other.image.weights_hash != original.image.weights_hash


def test_damaged_checkpoint_is_an_error(changed: Path, settings: Settings) -> None:
    file = changed / "clip" / "open_clip_model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ModelLoadError, match="is damaged .cut off after 1000"):
        load_clip(str(changed), settings)


def test_checkpoint_of_another_shape_is_an_error(changed: Path, settings: Settings) -> None:
    file = changed / "clip" / "open_clip_model.safetensors"
    state = load_file(file)
    save_file({**state, "text_projection": state["text_projection"][:, :-1].contiguous()}, file)
    with pytest.raises(ModelLoadError, match=r"does not fit.*text_projection is 32 x 31 .* 32 x 32"):
        load_clip(str(changed), settings)


def test_missing_checkpoint_is_an_error_that_names_it(changed: Path, settings: Settings) -> None:
    (changed / "clip" / "open_clip_model.safetensors").unlink()
    with pytest.raises(ModelLoadError, match=r"open_clip_model\.safetensors"):
        load_clip(str(changed), settings)


def test_tokenizer_larger_than_the_embedding_is_an_error(changed: Path, settings: Settings) -> None:
    file = changed / "clip" / "open_clip_config.json"
    config = json.loads(file.read_text())
    del config["model_cfg"]["text_cfg"]["tokenizer_kwargs"]  # so the whole vocabulary would be used
    file.write_text(json.dumps(config))
    with pytest.raises(ModelLoadError, match="49408"):
        load_clip(str(changed), settings)


@pytest.mark.parametrize(
    ("name", "quick"),
    [
        ("vit-b-32", True), ("sd14", True), ("rn50", True), ("vit-l-14", False), ("vit-b-16", False),
        ("vit-b-32@gelu", False), ("vit-l-14@quick_gelu", True), ("ViT-B-32:laion400m_e32@gelu", False),
        ("ViT-B-32-quickgelu:laion400m_e32", True), ("ViT-B-32:laion2b_s34b_b79k", False),
        ("ViT-B-32-quickgelu:/any/file.safetensors", True),
    ],
)  # fmt: skip
def test_activation_is_that_of_the_weights_unless_asked_for(name: str, quick: bool) -> None:
    assert resolve_activation(find_model_set(name)).is_quick is quick


@pytest.mark.parametrize("activation", ["gelu", "quick_gelu"])
def test_activation_asked_for_is_that_of_a_folder_set_too(miniature: Path, settings: Settings, activation: str) -> None:
    found = load_clip(f"{miniature}@{activation}", settings)
    assert activation_of(found.text) == activation_of(found.image) == activation
    assert found.is_shared == (activation == "quick_gelu")  # Stable Diffusion goes on reading as it was trained to


@pytest.mark.parametrize("name", ["ViT-B-32:laion400m_e32", "ViT-B-32:openai", "ViT-L-14-quickgelu:laion400m_e32"])
def test_activation_that_contradicts_the_weights_is_an_error_with_the_way_out(name: str) -> None:
    with pytest.raises(ModelLoadError, match="trained with") as caught:
        resolve_activation(find_model_set(name))
    assert "@" in str(caught.value)


def test_activation_of_an_encoder_is_named_as_transformers_does(original: Clip) -> None:
    assert isinstance(original.text, OpenClipText)
    assert activation_of(original.text) == "quick_gelu"


def test_text_encoder_that_is_not_causal_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    text = full_size_text("meta")
    monkeypatch.setattr(text, "attn_mask", None)
    with pytest.raises(ModelLoadError, match="causal"):
        clip_module._require_causal(text, find_model_set("vit-b-32"))


def test_gpu_that_is_not_there_is_an_error_and_never_the_cpu(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="no GPU"):
        resolve_device(replace(settings, device="cuda"))
    assert resolve_device(replace(settings, device="auto")).type == "cpu"
    assert resolve_precision(settings, torch.device("cpu")) is torch.float32
    assert default_model_set(replace(settings, device="auto")) == "embedded"


def test_unknown_set_is_an_error(settings: Settings) -> None:
    with pytest.raises(ConfigError, match="Unknown model set"):
        load_clip("no-such-set", settings)
