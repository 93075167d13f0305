"""CLIP checkpoint files: which layouts load to the same numbers, and what the others are told."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from open_clip import CLIP
from open_clip.factory import get_model_config
from torch import Tensor

from tests.support.tiny_clip import register, save, tiny_state
from unlearn.config import Settings
from unlearn.errors import ModelLoadError
from unlearn.models.clip import load_clip
from unlearn.models.clip_layouts import fitting_models
from unlearn.models.weight_files import Stored

State = dict[str, Tensor]


@pytest.fixture(scope="module", autouse=True)
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        register(tmp_path_factory.mktemp("configs"), patch)
        yield


@pytest.fixture(scope="module")
def state() -> State:
    return tiny_state()


def _in_text(state: State) -> State:
    return {key if key.startswith(("visual.", "logit_scale")) else f"text.{key}": value for key, value in state.items()}


def _prefixed(prefix: str) -> Callable[[State], State]:
    return lambda state: {prefix + key: value for key, value in state.items()}


EQUAL: dict[str, tuple[str, Callable[[State], State]]] = {
    "plain": ("Tiny-16", dict),
    "CustomTextCLIP's names for a plain CLIP": ("Tiny-16", _in_text),
    "plain names for a CustomTextCLIP": ("TinyCustom-16", dict),
    "module.": ("Tiny-16", _prefixed("module.")),
    "state_dict.module.": ("Tiny-16", _prefixed("state_dict.module.")),
    "compiled, CustomTextCLIP": ("Tiny-16", lambda state: _prefixed("_orig_mod.")(_in_text(state))),
    "beside an optimiser": ("Tiny-16", lambda state: {**_prefixed("state_dict.")(state), "optimizer.state.0.step": torch.tensor(3.0)}),
    "OpenAI's extra numbers": ("Tiny-16", lambda state: {**state, "input_resolution": torch.tensor(32), "vocab_size": torch.tensor(9)}),
    "numbers of positions": ("Tiny-16", lambda state: {**state, "text.transformer.embeddings.position_ids": torch.arange(77)[None]}),
    "logit scale as a list": ("Tiny-16", lambda state: {**state, "logit_scale": state["logit_scale"].reshape(1)}),
}


@pytest.mark.parametrize("layout", EQUAL)
def test_layout_loads_to_the_same_numbers(layout: str, state: State, settings: Settings, tmp_path: Path) -> None:
    name, change = EQUAL[layout]
    found = load_clip(f"{name}:{save(tmp_path / 'w.safetensors', change(state))}", settings)
    held = {**found.text.state_dict(), **found.image.state_dict()}
    for key, value in state.items():
        assert key == "logit_scale" or torch.equal(held[key], value), key


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_become_float32(kind: torch.dtype, state: State, settings: Settings, tmp_path: Path) -> None:
    found = load_clip(f"Tiny-16:{save(tmp_path / 'w.safetensors', {key: value.to(kind) for key, value in state.items()})}", settings)
    held = found.text.state_dict()["token_embedding.weight"]
    assert torch.equal(held, state["token_embedding.weight"].to(kind).float())


def _with(**changes: Tensor) -> Callable[[State], State]:
    return lambda state: {**state, **{key.replace("__", "."): value for key, value in changes.items()}}


def _without(start: str) -> Callable[[State], State]:
    return lambda state: {key: value for key, value in state.items() if not key.startswith(start)}


REFUSED: dict[str, tuple[Callable[[State], State], str]] = {
    "projection": (_with(text_projection=torch.zeros(32, 16)), r"text_projection is 32 x 16 in the file, but 32 x 32 in Tiny-16"),
    "vocabulary": (_with(token_embedding__weight=torch.zeros(1000, 32)), r"1000 x 32 in the file, but 49408 x 32"),
    "image size": (_with(visual__positional_embedding=torch.zeros(17, 32)), r"visual.positional_embedding is 17 x 32 .* 5 x 32"),
    "context": (_with(positional_embedding=torch.zeros(248, 32)), r"positional_embedding is 248 x 32 .* 77 x 32"),
    "text width": (_with(positional_embedding=torch.zeros(77, 16)), r"77 x 16 .* 77 x 32"),
    "fewer layers": (_without("transformer.resblocks.0"), r"the file lacks transformer.resblocks.0\S+, which Tiny-16 needs \(12 of"),
    "more layers": (lambda state: {**state, **{f"transformer.resblocks.1.{i}": torch.zeros(1) for i in range(3)}}, "3 tensors too many"),
    "text alone": (_without("visual."), "a text encoder alone.*--weights"),
    "image alone": (lambda state: {key: value for key, value in state.items() if key.startswith("visual.")}, "an image encoder alone"),
    "another model": (lambda state: {"conv_in.weight": torch.zeros(3)}, "has conv_in.weight, which Tiny-16 has not, and lacks"),
    "half of transformers": (lambda state: {"text_model.final_layer_norm.bias": torch.zeros(32)}, "a text encoder alone"),
    "one file": (lambda state: {"model.diffusion_model.out.2.bias": torch.zeros(3)}, r"Stable Diffusion in one file.*such as sd14\+w\."),
    "quantised": (lambda state: {key: value.to(torch.int8) for key, value in state.items()}, "holds I8, but weights have to be F32"),
    "8 bits": (lambda state: {key: value.to(torch.float8_e4m3fn) for key, value in state.items()}, "quantised.*F8_E4M3"),
    "no numbers": (_with(ln_final__weight=torch.full((32,), float("nan"))), "32 of 32 values of ln_final.weight are no finite numbers"),
    "nothing": (lambda state: {}, "holds no tensors"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_checkpoint_that_does_not_fit_is_refused_with_what_differs(what: str, state: State, settings: Settings, tmp_path: Path) -> None:
    change, words = REFUSED[what]
    file = save(tmp_path / "folder" / "w.safetensors", change(state))
    with pytest.raises(ModelLoadError, match=words) as caught:
        load_clip(f"Tiny-16:{file}", settings)
    assert str(tmp_path) not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_checkpoint_of_another_architecture_names_the_model_that_it_fits(state: State, settings: Settings, tmp_path: Path) -> None:
    file = save(tmp_path / "w.safetensors", state)
    with pytest.raises(ModelLoadError, match=r"77 x 32 in the file, but 77 x 512 in RN50; it fits Tiny-16, so write Tiny-16:w\."):
        load_clip(f"RN50:{file}", settings)


@pytest.mark.parametrize("name", ["ViT-B-32", "ViT-B-16", "ViT-L-14", "ViT-L-14-336", "RN50", "RN101"])
def test_sizes_of_a_checkpoint_tell_its_model(name: str) -> None:
    with torch.device("meta"):
        model = CLIP(**get_model_config(name))
    assert fitting_models({key: Stored(tuple(value.shape)) for key, value in model.state_dict().items()}) == [name]


def test_nothing_of_open_clip_is_told_on_the_terminal(
    state: State, settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    load_clip(f"Tiny-16:{save(tmp_path / 'w.safetensors', state)}", settings)
    assert not [record for record in caplog.records if "random" in record.getMessage()]
