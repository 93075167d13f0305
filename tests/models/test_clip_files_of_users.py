"""CLIPs as people have them: each layout is named as a user names it, and gives the very numbers of the plain one, or a sentence."""

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
from tests.support.tiny_clip import TINY, register, save, tiny_state
from unlearn.config import Settings
from unlearn.errors import ModelLoadError, UnlearnError
from unlearn.models.clip import Clip, load_clip
from unlearn.models.sets import find_model_set
from unlearn.models.suite import drop_suite, suite_of

State = dict[str, Tensor]
TEXTS = ["a photo of a boat", "Ada Brook"]


@pytest.fixture(scope="module", autouse=True)
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        register(tmp_path_factory.mktemp("configs"), patch)
        yield
    drop_suite()


@pytest.fixture(scope="module")
def state() -> State:
    return tiny_state()


def _embedded(clip: Clip) -> tuple[Tensor, Tensor]:
    """Texts and pictures as the set's towers see them."""
    pixels = clip.image.resize(np.random.default_rng(0).integers(0, 256, (2, 48, 40, 3), dtype=np.uint8))
    return clip.text.embed_texts(clip.text.tokenize(TEXTS)), clip.image.embed_images(pixels)


def _nested(state: State) -> dict[str, Any]:
    """As open_clip's training writes its checkpoints."""
    inside = {f"module.{key}": value for key, value in state.items()}
    return {"epoch": 3, "name": "run", "state_dict": inside, "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": []}}


def _with_masks(state: State) -> State:
    return {**state, "attn_mask": torch.zeros(77, 77), "text.embeddings.position_ids": torch.arange(77)[None]}


SAVED: dict[str, tuple[str, Callable[[State], Any], dict[str, Any]]] = {
    "bin": (".bin", dict, {}),
    "old pt": (".pt", dict, {"_use_new_zipfile_serialization": False}),
    "training": (".pt", _nested, {}),
    "CustomTextCLIP": (".pth", lambda s: {k if k.startswith(("visual.", "logit")) else f"text.{k}": v for k, v in s.items()}, {}),
    "foreign objects": (".ckpt", lambda s: {"model": s, "callbacks": {"best": Foreign()}, "seen": np.float64(2.5)}, {}),
    "parameters": (".pt", lambda s: {**_with_masks(s), **{k: torch.nn.Parameter(v) for k, v in s.items()}}, {}),
}


@pytest.mark.parametrize("layout", SAVED)
def test_files_of_torch_save_give_the_numbers_of_the_safetensors_file(
    layout: str, state: State, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suffix, change, options = SAVED[layout]
    monkeypatch.setattr(Foreign, "ran", tmp_path / "ran")
    plain, file = save(tmp_path / "plain.safetensors", state), tmp_path / f"w{suffix}"
    torch.save(change(state), file, **options)
    found = suite_of(f"Tiny-16-quickgelu:{file}", settings).clip
    for ours, expected in zip(_embedded(found), _embedded(load_clip(f"Tiny-16-quickgelu:{plain}", settings)), strict=True):
        assert torch.equal(ours, expected)
    assert not (tmp_path / "ran").exists(), "code of the file was run"


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_16_bits_in_a_file_of_torch_save_are_those_of_safetensors(
    kind: torch.dtype, state: State, settings: Settings, tmp_path: Path
) -> None:
    halved = {key: value.to(kind) for key, value in state.items()}
    torch.save(halved, tmp_path / "w.pt")
    names = [f"Tiny-16:{file}" for file in (tmp_path / "w.pt", save(tmp_path / "w.safetensors", halved))]
    assert all(map(torch.equal, *(_embedded(load_clip(name, settings)) for name in names)))


def _program(file: Path) -> None:
    with pytest.warns(FutureWarning):
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), file)


class Attack:
    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.system, ("true",)


REFUSED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a program": (_program, r"w\.pt is a TorchScript program .*torch\.jit\.load"),
    "a whole model": (lambda file: torch.save(torch.nn.Linear(2, 2), file), r"w\.pt holds .*state_dict"),
    "an attack": (lambda file: torch.save({"a": torch.zeros(2), "b": Attack()}, file), r"w\.pt holds objects that cannot be left out"),
    "cut off": (lambda file: file.write_bytes(b"PK\x03\x04" + b"x" * 300), r"w\.pt is damaged"),
    "safetensors": (lambda file: save_file({"a": torch.zeros(2)}, file), r"w\.pt is named \.pt, but is a safetensors file"),
    "a number": (lambda file: torch.save(3, file), r"w\.pt holds no weights by name"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_files_of_torch_save_that_are_no_weights_get_a_sentence(what: str, settings: Settings, tmp_path: Path) -> None:
    write, words = REFUSED[what]
    write(tmp_path / "w.pt")
    with pytest.raises(ModelLoadError, match=words) as caught:
        load_clip(f"Tiny-16:{tmp_path / 'w.pt'}", settings)
    assert str(tmp_path) not in str(caught.value) and "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def transformers_clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Tensor, Tensor]]:
    """A folder of transformers' CLIPModel with random weights, and what the model itself makes of texts and pictures."""
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 2, "projection_dim": 24}
    described = CLIPConfig(text_config=sizes, vision_config={**sizes, "image_size": 32, "patch_size": 16}, projection_dim=24)
    model = CLIPModel(described).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name or "layrnorm" in name or name.endswith("bias"):
                parameter.add_(0.1 * torch.randn(parameter.shape))
    folder = tmp_path_factory.mktemp("hf") / "clip-of-mine"
    model.save_pretrained(folder)
    mean, std = [0.5, 0.4, 0.3], [0.2, 0.3, 0.4]
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": mean, "image_std": std, "resample": 3}))
    clip = load_clip(str(folder), Settings(folder.parent / "data", device="cpu", offline=True))
    pixels = clip.image.resize(np.random.default_rng(0).integers(0, 256, (2, 48, 40, 3), dtype=np.uint8))
    normalised = (pixels - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    with torch.no_grad():
        texts = model.get_text_features(input_ids=clip.text.tokenize(TEXTS)).pooler_output
        images = model.get_image_features(pixel_values=normalised).pooler_output
    return folder, (texts, images)


def test_folder_of_transformers_embeds_as_transformers_does(transformers_clip: tuple[Path, Any], settings: Settings) -> None:
    folder, expected = transformers_clip
    suite = suite_of(str(folder), settings)
    assert suite.clip.warnings == (), "config.json names the activation"
    for ours, theirs in zip(_embedded(suite.clip), expected, strict=True):
        assert torch.allclose(ours, theirs, atol=2e-6)


def test_other_files_of_the_same_transformers_model_give_the_same_numbers(
    transformers_clip: tuple[Path, Any], settings: Settings, tmp_path: Path
) -> None:
    folder = transformers_clip[0]
    expected = _embedded(load_clip(str(folder), settings))
    state = load_file(folder / "model.safetensors")
    pickled, half = (Path(shutil.copytree(folder, tmp_path / name)) for name in ("pickled", "half"))
    for copied in (pickled, half):
        (copied / "model.safetensors").unlink()
    torch.save({**state, "text_model.embeddings.position_ids": torch.arange(77)[None]}, pickled / "pytorch_model.bin")
    save_file(state, half / "model.fp16.safetensors")
    for copied in (pickled, half):
        assert all(map(torch.equal, _embedded(load_clip(str(copied), settings)), expected)), copied.name


def test_transformers_file_behind_a_models_name_is_converted(transformers_clip: tuple[Path, Any], settings: Settings) -> None:
    file = transformers_clip[0] / "model.safetensors"
    with pytest.raises(ModelLoadError, match=r"does not fit Tiny-16: token_embedding|does not fit Tiny-16: \S+ is"):
        load_clip(f"Tiny-16:{file}", settings)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"text_config": {"hidden_act": "relu"}}, "activations quick_gelu and relu"),
        ({"text_config": {"hidden_size": "wide"}}, "a size in its config.json is no number"),
        ({"model_type": "siglip"}, "Unknown model set"),
    ],
)
def test_transformers_folder_without_counterpart_is_told(
    transformers_clip: tuple[Path, Any], settings: Settings, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    folder = Path(shutil.copytree(transformers_clip[0], tmp_path / "clip"))
    content = json.loads((folder / "config.json").read_text())
    for key, value in change.items():
        content[key] = {**content[key], **value} if isinstance(value, dict) else value
    (folder / "config.json").write_text(json.dumps(content))
    with pytest.raises(UnlearnError, match=words):
        load_clip(str(folder), settings)


def test_tokenizer_of_another_vocabulary_is_told(transformers_clip: tuple[Path, Any], settings: Settings, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(transformers_clip[0], tmp_path / "clip"))
    (folder / "vocab.json").write_text(json.dumps({"a": 0, "<|endoftext|>": 1}))
    with pytest.raises(ModelLoadError, match="its tokenizer has 2 tokens that are not those of CLIP"):
        load_clip(str(folder), settings)


def test_folder_as_open_clip_publishes_it_loads_from_either_format(state: State, settings: Settings, tmp_path: Path) -> None:
    expected = _embedded(load_clip(f"Tiny-16-quickgelu:{save(tmp_path / 'w.safetensors', state)}", settings))
    folder = tmp_path / "published"
    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": {**TINY, "quick_gelu": True}, "preprocess_cfg": {}}))
    with pytest.raises(ModelLoadError, match=r"open_clip_model\.safetensors, the CLIP weights .*does not exist"):
        load_clip(str(folder), settings)
    torch.save(state, folder / "open_clip_pytorch_model.bin")
    assert all(map(torch.equal, _embedded(load_clip(str(folder), settings)), expected))
    assert find_model_set(f"{folder}+none").diffusion is None
