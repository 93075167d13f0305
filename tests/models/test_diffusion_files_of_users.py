"""Stable Diffusions as people have them: each layout is named as a user names it, and draws the very picture of the plain one."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.support.foreign_object import Foreign
from tests.support.ldm_names import ldm_state
from tests.support.tiny_clip import register, save, tiny_state
from tests.support.tiny_diffusion import SIDE_PX, write_tiny_diffusion
from unlearn.config import PortraitConfig, Settings
from unlearn.errors import ModelLoadError
from unlearn.models import one_file, one_file_parts
from unlearn.models.diffusion import conditions, draw, require_drawing
from unlearn.models.sets import find_model_set
from unlearn.models.suite import drop_suite, suite_of
from unlearn.models.weights import find_diffusion

State = dict[str, Tensor]
TEXT = "a photo of a boat"
CONFIG = PortraitConfig(seeds=(0,), n_steps=1, guidance_scale=2.0, prompt_template="{0}")
BASES = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}


@pytest.fixture(scope="module", autouse=True)
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        register(tmp_path_factory.mktemp("configs"), patch)
        patch.setattr(one_file_parts, "SIDE_PX", SIDE_PX)
        yield
    drop_suite()


@pytest.fixture(scope="module")
def diffusion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_diffusion(tmp_path_factory.mktemp("diffusion") / "sd", torch.float16)


@pytest.fixture(scope="module")
def clip_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("clip") / "w.safetensors", tiny_state())


def _drawn(clip_file: Path, diffusion: Path, data_dir: Path) -> np.ndarray:
    """A portrait, from the name of the set on."""
    suite = suite_of(f"Tiny-16-quickgelu:{clip_file}+{diffusion}", Settings(data_dir, device="cpu", offline=True))
    suite.require_drawing(CONFIG)
    assert suite.clip.hidden is not None and not suite.clip.is_shared
    return draw(suite.diffusion(), conditions(suite.clip.hidden, [TEXT]), CONFIG)


@pytest.fixture(scope="module")
def portrait(clip_file: Path, diffusion: Path, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    drawn = _drawn(clip_file, diffusion, tmp_path_factory.mktemp("data"))
    assert drawn.std() > 1, "a plain picture would make every comparison pass"
    return drawn


def _variants(folder: Path) -> None:
    for part, base in BASES.items():
        (folder / part / f"{base}.safetensors").rename(folder / part / f"{base}.fp16.safetensors")


def _pickled(folder: Path) -> None:
    for part, base in BASES.items():
        file = folder / part / f"{base}.safetensors"
        torch.save(load_file(file), folder / part / ("pytorch_model.bin" if base == "model" else f"{base}.bin"))
        file.unlink()


def _sharded(folder: Path) -> None:
    for part, base in BASES.items():
        file = folder / part / f"{base}.safetensors"
        tensors, file_of = load_file(file), dict[str, str]()
        for number in (1, 2):
            names = sorted(tensors)[number - 1 :: 2]
            shard = f"{base}-0000{number}-of-00002.safetensors"
            save_file({name: tensors[name] for name in names}, folder / part / shard, metadata={"format": "pt"})
            file_of |= dict.fromkeys(names, shard)
        file.unlink()
        (folder / part / f"{base}.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": file_of}))


def _other_text_names(folder: Path) -> None:
    file = folder / "text_encoder" / "model.safetensors"
    tensors, start = load_file(file), "text_model."
    has_prefix = all(name.startswith(start) for name in tensors)
    changed = {name.removeprefix(start) if has_prefix else start + name: tensor for name, tensor in tensors.items()}
    save_file({**changed, f"{'' if has_prefix else start}embeddings.position_ids": torch.arange(77)[None]}, file, metadata={"format": "pt"})


@pytest.mark.parametrize("change", [_variants, _pickled, _sharded, _other_text_names])
def test_stable_diffusion_folder_in_any_layout_draws_the_same_picture(
    change: Callable[[Path], None], clip_file: Path, diffusion: Path, portrait: np.ndarray, tmp_path: Path
) -> None:
    changed = Path(shutil.copytree(diffusion, tmp_path / "sd"))
    change(changed)
    assert np.array_equal(_drawn(clip_file, changed, tmp_path / "data"), portrait)


def _of_a_training(file: Path, tensors: State) -> None:
    """As the first published checkpoints are: inside a training's file, beside objects of its library."""
    torch.save({"state_dict": tensors, "global_step": 470000, "callbacks": {"checkpoint": Foreign()}}, file)


ONE_FILE: dict[str, Callable[[Path, State], Any]] = {
    "one.safetensors": lambda file, tensors: save_file({**tensors, "model_ema.decay": torch.zeros(1)}, file),
    "one.ckpt": _of_a_training,
    "bare text names.safetensors": lambda file, tensors: save_file(
        {name.replace("transformer.text_model.", "transformer."): tensor for name, tensor in tensors.items()}, file
    ),
}


@pytest.mark.parametrize("name", ONE_FILE)
def test_stable_diffusion_in_one_file_draws_the_same_picture(
    name: str, clip_file: Path, diffusion: Path, portrait: np.ndarray, tmp_path: Path
) -> None:
    file = tmp_path / name
    ONE_FILE[name](file, {key: tensor.contiguous() for key, tensor in ldm_state(diffusion).items()})
    assert np.array_equal(_drawn(clip_file, file, tmp_path / "data"), portrait)


def test_folder_of_one_file_is_kept_until_the_file_changes_and_few_are(
    diffusion: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_file, "MAX_KEPT", 1)
    tensors = {key: tensor.contiguous() for key, tensor in ldm_state(diffusion).items()}
    file, folders = tmp_path / "one.safetensors", list[Path]()
    for number in range(2):
        save_file(tensors, file, metadata={"number": str(number)})
        model_set = find_model_set(f"embedded+{file}")
        folders.append(find_diffusion(model_set, settings))
        before = (folders[-1] / "unet" / "config.json").stat().st_mtime_ns
        assert find_diffusion(model_set, settings) == folders[-1]
        assert (folders[-1] / "unet" / "config.json").stat().st_mtime_ns == before, "converted again"
    assert [path for path in (settings.data_dir / one_file.FOLDER).iterdir() if path.is_dir()] == folders[1:]
    require_drawing(folders[-1], CONFIG)


LACKING: dict[str, tuple[Callable[[State], State], str]] = {
    "inpainting": (
        lambda state: {**state, "model.diffusion_model.input_blocks.0.0.weight": torch.zeros(32, 9, 3, 3)}, "reads 9 channels, as one"
    ),
    "XL": (lambda state: {**state, "conditioner.embedders.0.x": torch.zeros(1)}, "is a Stable Diffusion XL; use one of version 1"),
    "2.x": (lambda state: {**state, "cond_stage_model.model.x": torch.zeros(1)}, r"Stable Diffusion 2\.x.*from_single_file"),
    "no decoder": (
        lambda state: {name: tensor for name, tensor in state.items() if not name.startswith("first_stage")}, "it has no decoder.; give the"
    ),
    "a tensor": (
        lambda state: {name: tensor for name, tensor in state.items() if name != "model.diffusion_model.out.0.bias"}, "unet in one.safe"
    ),
    "another": (
        lambda state: {name: tensor for name, tensor in state.items() if "in_layers.2" not in name}, "not those of a Stable Diffusion 1"
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", LACKING)
def test_one_file_that_is_no_stable_diffusion_1_is_told(what: str, diffusion: Path, settings: Settings, tmp_path: Path) -> None:
    change, words = LACKING[what]
    file = tmp_path / "one.safetensors"
    save_file({key: tensor.contiguous() for key, tensor in change(ldm_state(diffusion)).items()}, file)
    with pytest.raises(ModelLoadError, match=words) as caught:
        find_diffusion(find_model_set(f"embedded+{file}"), settings)
    assert str(tmp_path) not in str(caught.value) and "\n" not in str(caught.value)
    assert not [path for path in (settings.data_dir / one_file.FOLDER).iterdir() if path.is_dir()], "half a folder is kept"
