"""Writes and reads the folder of a defended CLIP; a half-written folder is never found.

A defended folder holds, as far as defended:

    open_clip_text.safetensors      CLIP's text encoder; load into an open_clip model with strict=False
    open_clip_visual.safetensors    CLIP's image encoder; likewise
    text_encoder/                   a transformers CLIPTextModel; hand it to a StableDiffusionPipeline
    config.json                     hashes of files and weights, and what they belong to; written last

Full disks and foreign files become errors of `unlearn.errors`.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from unlearn.errors import InputError, ModelLoadError, first_line
from unlearn.files import disk_errors, file_hash, write_json
from unlearn.models.clip import Clip
from unlearn.models.clip_layouts import require_numbers
from unlearn.models.diffusion_text import PREFIX, DiffusionText, activation_of, transformers_names
from unlearn.models.encoders import OpenClipText, TextEncoder
from unlearn.models.weight_files import stored_tensors
from unlearn.modes import follow_umask

CONFIG_NAME = "config.json"
TEXT_FILE = "open_clip_text.safetensors"
IMAGE_FILE = "open_clip_visual.safetensors"
DIFFUSION_FILE = "text_encoder/model.safetensors"
FORMAT = 1


def save_defended(folder: Path, original: Clip, defended: Clip) -> None:
    """Write what of `defended` differs from `original`; an existing folder is replaced as a whole.

    Raises:
        InputError: the folder cannot be written, or nothing differs.
    """
    parts = _changed_parts(original, defended)
    if not parts:
        raise InputError("Nothing was defended: the encoders are those of the original.")
    partial = folder.with_name(f".{folder.name}.part")
    with disk_errors(str(folder)):
        shutil.rmtree(partial, ignore_errors=True)
        try:
            (partial / "text_encoder").mkdir(parents=True)
            for file, (state, _, _) in parts.items():
                save_file(state, partial / file)
                follow_umask(partial / file)
            if DIFFUSION_FILE in parts:
                _write_transformers_config(partial / "text_encoder" / CONFIG_NAME, defended)
            else:
                (partial / "text_encoder").rmdir()
            described = {
                file: {"sha256": file_hash(partial / file), "weights_hash": now, "original_hash": before}
                for file, (_, before, now) in parts.items()
            }
            content = {"format": FORMAT, "model_set": original.model_set.name, "files": described}
            write_json(partial / CONFIG_NAME, content)
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(partial, folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _changed_parts(original: Clip, defended: Clip) -> dict[str, tuple[dict[str, Tensor], str, str]]:
    """file -> (state to write, weights_hash of the original, of the defended)."""
    parts: dict[str, tuple[dict[str, Tensor], str, str]] = {}
    pairs = [(TEXT_FILE, original.text, defended.text), (IMAGE_FILE, original.image, defended.image)]
    for file, before, now in pairs:
        if now is not before:
            parts[file] = (_on_cpu(now.state_dict()), before.weights_hash, now.weights_hash)
    if defended.hidden is not original.hidden and defended.hidden is not None and original.hidden is not None:
        state = transformers_state(defended.hidden)
        parts[DIFFUSION_FILE] = (_on_cpu(state), original.hidden.weights_hash, defended.hidden.weights_hash)
    return parts


def _on_cpu(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}


def transformers_state(encoder: TextEncoder) -> dict[str, Tensor]:
    """An encoder's parameters under the published names of CLIPTextModel."""
    if isinstance(encoder, OpenClipText):
        return transformers_names(encoder.state_dict())
    return {PREFIX + name.removeprefix("model."): tensor for name, tensor in encoder.state_dict().items()}


def _write_transformers_config(path: Path, defended: Clip) -> None:
    encoder = defended.hidden
    if isinstance(encoder, DiffusionText):
        write_json(path, encoder.model.config.to_dict())
        return
    assert isinstance(encoder, OpenClipText)  # the two kinds that `load_clip` makes
    block: Any = encoder.transformer.resblocks[0]  # type: ignore[index]  # a ModuleList
    n_tokens, width = encoder.token_embedding.weight.shape
    write_json(
        path,
        {
            "architectures": ["CLIPTextModel"], "model_type": "clip_text_model", "hidden_act": activation_of(encoder),
            "vocab_size": n_tokens, "hidden_size": width, "intermediate_size": block.mlp.c_fc.out_features,
            "num_hidden_layers": len(encoder.transformer.resblocks),  # type: ignore[arg-type]
            "num_attention_heads": block.attn.num_heads, "max_position_embeddings": encoder.context_length,
            "layer_norm_eps": block.ln_1.eps, "bos_token_id": n_tokens - 2, "eos_token_id": n_tokens - 1,
            "pad_token_id": encoder.tokenizer.pad_id, "torch_dtype": "float32",
        },
    )  # fmt: skip


def defended_folder(weights: Path) -> Path:
    """The defended folder that a user means: itself, or a run folder that contains one.

    Raises:
        ModelLoadError: neither, or it cannot be looked into.
    """
    try:
        for folder in (weights, weights / "defended"):
            has_encoder = any((folder / file).is_file() for file in (TEXT_FILE, IMAGE_FILE, DIFFUSION_FILE))
            if has_encoder and (folder / CONFIG_NAME).is_file():
                return folder
    except OSError as error:
        raise ModelLoadError(f"{weights} cannot be read ({error.strerror}); check the path.") from error
    raise ModelLoadError(f"{weights} holds no defended encoder; give a run folder or its folder `defended`.")


def load_defended(weights: Path, original: Clip) -> Clip:
    """The defended CLIP of a folder, next to the original that it was made from.

    Args:
        weights: a run folder or a defended folder.
        original: as loaded for the model set; it is not changed.

    Raises:
        ModelLoadError: missing or damaged files, or made from other weights than `original` has.
    """
    folder = defended_folder(weights)
    try:
        content = json.loads((folder / CONFIG_NAME).read_text("utf-8"))
        files = {str(file): dict(row) for file, row in content["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelLoadError(f"{folder / CONFIG_NAME} cannot be read: {error}.") from error
    defended = original
    if TEXT_FILE in files:
        defended = defended.with_text(_filled(folder, TEXT_FILE, files, original.text))
    if IMAGE_FILE in files:
        defended = defended.with_image(_filled(folder, IMAGE_FILE, files, original.image))
    if DIFFUSION_FILE in files and original.hidden is not None and not original.is_shared:
        defended = defended.with_text(defended.text, _filled(folder, DIFFUSION_FILE, files, original.hidden))
    if defended is original:  # never the original under the name of a defended one
        raise ModelLoadError(f"{folder / CONFIG_NAME} names no file of an encoder that {original.model_set.name!r} has; make it again.")
    return defended


def _filled(folder: Path, file: str, files: dict[str, dict[str, str]], original: Any) -> Any:
    """A copy of the original encoder with the weights of a file, after all checks."""
    row, path = files[file], folder / file
    stored_tensors(path, file)
    if row.get("original_hash") != original.weights_hash:
        raise ModelLoadError(f"{path} was made from other weights than the model set has; choose the set it belongs to.")
    try:
        if file_hash(path) != row.get("sha256"):
            raise ModelLoadError(f"{path} was changed or damaged since it was written; make it again.")
        state = load_file(path)
        if isinstance(original, DiffusionText):
            state = {"model." + name.removeprefix(PREFIX): tensor for name, tensor in state.items()}
        student: nn.Module = copy.deepcopy(original)
        require_numbers(state.items(), file)
        student.load_state_dict(state, strict=True)
    except (OSError, SafetensorError, RuntimeError) as error:
        first = first_line(error)
        raise ModelLoadError(f"{path} cannot be loaded: {first}") from error
    return student.eval().requires_grad_(False)
