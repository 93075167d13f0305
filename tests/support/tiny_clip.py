"""Small models of open_clip's own design under names of their own, and checkpoints of theirs in any layout; knows no assertion."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import open_clip
import pytest
import torch
from open_clip import factory
from safetensors.torch import save_file
from torch import Tensor

TINY = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
NAMES = {"Tiny-16": {}, "Tiny-16-quickgelu": {"quick_gelu": True}, "TinyCustom-16": {"custom_text": True}}


def register(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Let open_clip know "Tiny-16", "Tiny-16-quickgelu" and "TinyCustom-16" for the time of a test module."""
    for registry in ("_MODEL_CONFIG_PATHS", "_MODEL_CONFIGS"):
        patch.setattr(factory, registry, getattr(factory, registry).copy())
    for name, changes in NAMES.items():
        (folder / f"{name}.json").write_text(json.dumps({**TINY, **changes}), "utf-8")
    open_clip.add_model_config(folder)


def tiny_state() -> dict[str, Tensor]:
    """Random weights of "Tiny-16" under open_clip's names."""
    torch.manual_seed(0)
    return {name: tensor.contiguous() for name, tensor in open_clip.CLIP(**TINY).state_dict().items()}


def save(file: Path, state: Mapping[str, Tensor]) -> Path:
    """A safetensors file; tensors may share memory."""
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous().clone() for name, tensor in state.items()}, file, metadata={"format": "pt"})
    return file
