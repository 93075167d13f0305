"""Which activation a checkpoint is run with, and that results say so where nothing tells it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.tiny_clip import TINY, register, save, tiny_state
from unlearn.config import ForgetConfig, IdiaConfig, Person, Settings, TextFineTuneConfig
from unlearn.errors import ModelLoadError
from unlearn.models.activations import activation_warning, resolve_activation
from unlearn.models.clip import load_clip
from unlearn.models.diffusion_text import activation_of
from unlearn.models.sets import find_model_set
from unlearn.runs import forgetting, questions
from unlearn.runs.json_types import to_json


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("tiny")
    with pytest.MonkeyPatch.context() as patch:
        register(folder, patch)
        yield save(folder / "weights" / "w.safetensors", tiny_state())


@pytest.mark.parametrize(
    ("name", "quick", "is_told"),
    [
        ("Tiny-16:{0}", False, False), ("Tiny-16-quickgelu:{0}", True, True), ("Tiny-16:{0}@gelu", False, True),
        ("Tiny-16:{0}@quick_gelu", True, True),
    ],
)  # fmt: skip
def test_activation_of_a_file_is_the_names_and_said_where_nothing_tells_it(
    checkpoint: Path, settings: Settings, name: str, quick: bool, is_told: bool
) -> None:
    found = load_clip(name.format(checkpoint), settings)
    assert activation_of(found.text) == activation_of(found.image) == ("quick_gelu" if quick else "gelu")
    assert bool(found.warnings) is not is_told
    if found.warnings:
        assert "does not tell" in found.warnings[0] and "GELU was taken" in found.warnings[0]
        assert str(checkpoint.parent) not in found.warnings[0]


@pytest.mark.parametrize("quick", [True, False])
def test_configuration_beside_a_file_tells(checkpoint: Path, settings: Settings, tmp_path: Path, quick: bool) -> None:
    file = tmp_path / "open_clip_model.safetensors"
    file.symlink_to(checkpoint)
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": {**TINY, "quick_gelu": quick}}))
    right, wrong = ("Tiny-16-quickgelu", "Tiny-16") if quick else ("Tiny-16", "Tiny-16-quickgelu")
    assert load_clip(f"{right}:{file}", settings).warnings == ()
    with pytest.raises(ModelLoadError, match=r"was trained with \w+, as open_clip_config.json beside it says, but .* is built with"):
        load_clip(f"{wrong}:{file}", settings)
    assert load_clip(f"{wrong}:{file}@{'gelu' if quick else 'quick_gelu'}", settings).warnings == ()


@pytest.mark.parametrize("name", ["embedded", "sd14", "vit-b-32", "vit-l-14", "rn50", "ViT-B-32:laion2b_s34b_b79k"])
def test_sets_whose_tag_or_configuration_tells_have_no_warning(name: str) -> None:
    found = find_model_set(name)
    assert activation_warning(resolve_activation(found), found) == ()


def test_results_of_a_run_and_of_an_attack_say_which_activation_was_taken(checkpoint: Path, settings: Settings, tmp_path: Path) -> None:
    name = f"Tiny-16:{checkpoint}"
    config = ForgetConfig(
        (Person("Ada Brook"),), name, text=TextFineTuneConfig(n_steps=1, batch_size=2, n_captions=100),
        idia=IdiaConfig(n_candidate_names=5),
    )  # fmt: skip
    metrics = to_json(forgetting.forget(config, settings, tmp_path / "run"))
    (warning,) = metrics["warnings"]
    assert "GELU was taken" in warning
    assert json.loads((tmp_path / "run" / "metrics.json").read_text("utf-8"))["warnings"] == [warning]
    assert "GELU was taken" in (tmp_path / "run" / "report.html").read_text("utf-8")
    assert questions.model_warnings(settings, name) == (warning,)
