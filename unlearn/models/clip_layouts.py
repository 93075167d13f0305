"""Reads a CLIP checkpoint into a model of open_clip, from whichever layout of names it has, or says in a sentence why it does not fit.

Takes every layout of names that `clip_names` knows; numbers of 16 bits become float32. Everything is compared by name and shape before a
number is read: nothing is resized, left out or left random.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unlearn.errors import ModelLoadError
from unlearn.models.clip_names import Source, open_clip_sources
from unlearn.models.weight_files import Stored, difference, read_tensors, require_floats, stored_tensors

_ONE_FILE = ("model.diffusion_model.", "diffusion_model.", "cond_stage_model.", "first_stage_model.", "conditioner.")
_OPTIONAL = ("num_batches_tracked", "logit_bias")


def load_checkpoint(model: nn.Module, file: Path, name: str) -> None:
    """Fill a model with a checkpoint's weights.

    Args:
        model: of open_clip, on the CPU; it is changed.
        file: of safetensors or torch.save.
        name: of the model, for messages.

    Raises:
        ModelLoadError: the file is none, or holds another model; the message says what, and what helps.
    """
    stored = stored_tensors(file, file.name)
    _require_clip(stored, file.name)
    needed = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    sources = open_clip_sources(stored, needed)
    held = {ours: _reshaped(ours, source.stored(stored), needed) for ours, source in sources.items()}
    optional = {key: shape for key, shape in needed.items() if not key.endswith(_OPTIONAL) or key in held}
    if found := difference(held, optional, "the file", name):
        raise ModelLoadError(f"{file.name} does not fit {name}: {found}; {_advice(held, file.name, name)}.")
    require_floats({key: kept for key, kept in held.items() if not key.endswith(_OPTIONAL)}, file.name)
    _fill(model, file, sources, needed)


def _require_clip(stored: Iterable[str], file: str) -> None:
    if example := next((name for name in stored if name.startswith(_ONE_FILE)), None):
        raise ModelLoadError(
            f"{file} is a Stable Diffusion in one file (it has {example}), where a CLIP checkpoint is needed; give it behind a '+', such "
            f"as sd14+{file}."
        )


def _reshaped(name: str, tensor: Stored, needed: Mapping[str, tuple[int, ...]]) -> Stored:
    """A single number may be stored as a list of one."""
    is_single = name in ("logit_scale", "logit_bias") and tensor.shape in ((), (1,)) and needed.get(name) in ((), (1,))
    return Stored(needed[name], tensor.kind) if is_single else tensor


def _fill(model: nn.Module, file: Path, sources: Mapping[str, Source], needed: Mapping[str, tuple[int, ...]]) -> None:
    tensors = read_tensors(file, file.name)
    filled = {ours: source.tensor(tensors).reshape(needed[ours]) for ours, source in sources.items()}
    for key, shape in needed.items():
        if key not in filled:  # of `_OPTIONAL`: what they are without training
            filled[key] = torch.zeros(shape)
    require_numbers(filled.items(), file.name)
    model.load_state_dict(filled, strict=True)


def require_numbers(tensors: Iterable[tuple[str, Tensor]], shown: str) -> None:
    """Raise `ModelLoadError` where a tensor holds what is no finite number, as a training that went wrong leaves it."""
    for name, tensor in tensors:
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            n_bad = int((~tensor.isfinite()).sum())
            raise ModelLoadError(
                f"{shown} is damaged ({n_bad} of {tensor.numel()} values of {name} are no finite numbers); copy or download it again, or "
                "take an earlier checkpoint."
            )


def _advice(held: Mapping[str, Stored], file: str, name: str) -> str:
    """What helps where a checkpoint does not fit the model that was named."""
    fitting = [model for model in fitting_models(held) if model != name.removesuffix("-quickgelu")]
    if fitting:
        return f"it fits {' and '.join(fitting[:3])}, so write {fitting[0]}:{file}"
    is_text = any(name.startswith(("ln_final.", "text.ln_final.")) for name in held)
    if is_text and not any(name.startswith("visual.") for name in held):
        return "it holds a text encoder alone, as a run's folder `defended` does; give the whole CLIP here and the run folder as --weights"
    if held and all(name.startswith("visual.") for name in held):
        return "it holds an image encoder alone, as a folder `defended` does; give the whole CLIP here and the run folder as --weights"
    return "give a CLIP checkpoint of open_clip or transformers, as safetensors.torch.save_file(model.state_dict(), FILE) writes it"


def fitting_models(held: Mapping[str, Stored]) -> list[str]:
    """Names of open_clip's models that have the sizes of a checkpoint; [] where none has, or its design is another one."""
    from open_clip import list_models
    from open_clip.factory import get_model_config

    sizes = _sizes({name.removeprefix("text."): found.shape for name, found in held.items()})
    if sizes is None:
        return []
    return [name for name in list_models() if _is_plain(name) and _configured(get_model_config(name)) == sizes]


def _is_plain(name: str) -> bool:
    return not name.endswith("-quickgelu")  # the same sizes; which of the two, the file does not tell


def _sizes(shapes: Mapping[str, tuple[int, ...]]) -> tuple[Any, ...] | None:
    """(embedding, vision, text) as `_configured` gives them."""
    try:
        vocabulary, width = shapes["token_embedding.weight"]
        context, embedding = shapes["positional_embedding"][0], shapes["text_projection"][1]
        n_layers = _n_layers(shapes, "transformer.resblocks.")
        text = (vocabulary, width, context, n_layers)
        if "visual.proj" in shapes:
            n_wide, _, patch, _ = shapes["visual.conv1.weight"]
            n_positions = shapes["visual.positional_embedding"][0]
            side = round((n_positions - 1) ** 0.5) * patch
            return embedding, (n_wide, patch, side, _n_layers(shapes, "visual.transformer.resblocks.")), text
        blocks = [_n_layers(shapes, f"visual.layer{number}.") for number in (1, 2, 3, 4)]
        side = round((shapes["visual.attnpool.positional_embedding"][0] - 1) ** 0.5) * 32
        return embedding, (shapes["visual.layer1.0.conv1.weight"][0], None, side, blocks), text
    except (KeyError, IndexError, ValueError):
        return None


def _n_layers(shapes: Mapping[str, Any], start: str) -> int:
    return len({name.removeprefix(start).partition(".")[0] for name in shapes if name.startswith(start)})


def _configured(config: dict[str, Any] | None) -> tuple[Any, ...] | None:
    """(embedding, (width, patch, image side, layers), (vocabulary, width, context, layers)) of a configuration; None for other designs."""
    if not config or config.get("custom_text") or "hf_model_name" in config["text_cfg"] or "timm_model_name" in config["vision_cfg"]:
        return None
    vision, text = config["vision_cfg"], config["text_cfg"]
    layers = vision.get("layers", 12)
    patch = None if isinstance(layers, list) else vision.get("patch_size", 16)
    image = (vision.get("width", 768), patch, vision.get("image_size", 224), layers)
    read = (text.get("vocab_size", 49408), text.get("width", 512), text.get("context_length", 77), text.get("layers", 12))
    return config["embed_dim"], image, read
