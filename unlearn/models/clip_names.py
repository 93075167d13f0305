"""Under which names a file holds the tensors of an open_clip model: open_clip's own, those of its CustomTextCLIP, or transformers'.

Prefixes that training tools leave are taken off, and the text tower's is put on or off. What transformers stores in three tensors or on
its side (`CLIPModel`) is put together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unlearn.models.weight_files import Stored

if TYPE_CHECKING:
    from torch import Tensor

PREFIXES = ("module.", "_orig_mod.", "state_dict.", "model.", "clip_model.", "clip.")
BLOCK_NAMES = {
    "self_attn.out_proj": "attn.out_proj", "layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
}  # fmt: skip  # transformers' -> open_clip's, in each block of both towers
_TEXT = ("positional_embedding", "text_projection", "token_embedding.", "transformer.", "ln_final.")  # a plain CLIP's text tower
_NO_WEIGHTS = ("input_resolution", "context_length", "vocab_size")  # numbers that OpenAI's files hold besides
_TRANSFORMERS = ("text_model.", "vision_model.", "visual_projection.")
_ENDS = {
    "text_model.embeddings.token_embedding.": "token_embedding.",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.final_layer_norm.": "ln_final.",
    "vision_model.embeddings.class_embedding": "visual.class_embedding",
    "vision_model.embeddings.patch_embedding.": "visual.conv1.",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
    "vision_model.pre_layrnorm.": "visual.ln_pre.",
    "vision_model.post_layernorm.": "visual.ln_post.",
}  # transformers' -> open_clip's, outside the blocks
_ON_THEIR_SIDE = {"text_projection.weight": "text_projection", "visual_projection.weight": "visual.proj"}
_BLOCK = re.compile(r"(text|vision)_model\.encoder\.layers\.(\d+)\.(.+)\.(weight|bias)")
_TOWERS = {"text": "transformer.resblocks.", "vision": "visual.transformer.resblocks."}


@dataclass(frozen=True)
class Source:
    """Where a file holds a tensor of a model.

    Attributes:
        names: in the file; several are put one below the other.
        is_on_its_side: rows are columns there.
    """

    names: tuple[str, ...]
    is_on_its_side: bool = False

    def stored(self, stored: Mapping[str, Stored]) -> Stored:
        """Shape and kind of the tensor that comes out."""
        found = [stored[name] for name in self.names]
        shape = found[0].shape
        if len(found) > 1:
            shape = (sum(tensor.shape[0] if tensor.shape else 1 for tensor in found), *shape[1:])
        return Stored(shape[::-1] if self.is_on_its_side else shape, found[0].kind)

    def tensor(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """The tensor itself."""
        import torch

        found = [tensors[name] for name in self.names]
        joined = torch.cat(found) if len(found) > 1 else found[0]
        return joined.T if self.is_on_its_side else joined


def open_clip_sources(stored: Iterable[str], needed: Iterable[str]) -> dict[str, Source]:
    """Name in a model -> where a file holds it, for everything in the file that is a weight.

    Args:
        stored: names of the file.
        needed: names of the model.
    """
    sources = _from_transformers(_without_prefixes(stored))
    is_custom = any(key.startswith("text.") for key in needed)
    if is_custom:
        return {f"text.{ours}" if ours.startswith(_TEXT) else ours: source for ours, source in sources.items()}
    return {ours.removeprefix("text."): source for ours, source in sources.items()}


def _without_prefixes(stored: Iterable[str]) -> dict[str, str]:
    """Name in a file -> the name without what training tools put before it."""
    names = {key: key for key in stored if not _is_no_weight(key)}
    inside = {key: ours for key, ours in names.items() if ours.startswith("state_dict.")}
    names = inside or names  # beside it the state of an optimiser may stand
    while prefix := next((p for p in PREFIXES if names and all(ours.startswith(p) for ours in names.values())), None):
        names = {key: ours.removeprefix(prefix) for key, ours in names.items()}
    return {key: ours for key, ours in names.items() if not _is_no_weight(ours)}


def _is_no_weight(name: str) -> bool:
    """Whether a stored tensor is no weight: numbers of positions, masks, sizes."""
    return name in _NO_WEIGHTS or name.rpartition(".")[2] in ("position_ids", "attn_mask")


def _from_transformers(names: Mapping[str, str]) -> dict[str, Source]:
    """open_clip's name -> source, of (name in the file -> name without prefixes); names of open_clip stay as they are."""
    theirs = {name: key for key, name in names.items()}
    if not any(name.startswith(_TRANSFORMERS) for name in theirs):
        return {name: Source((key,)) for name, key in theirs.items()}
    sources: dict[str, Source] = {}
    for name, key in theirs.items():
        if block := _BLOCK.fullmatch(name):
            sources |= _of_block(block, theirs)
        elif name in _ON_THEIR_SIDE:
            sources[_ON_THEIR_SIDE[name]] = Source((key,), is_on_its_side=True)
        else:
            end = next((end for end in _ENDS if name.startswith(end)), "")
            sources[_ENDS.get(end, "") + name.removeprefix(end)] = Source((key,))
    return sources


def _of_block(found: re.Match[str], theirs: Mapping[str, str]) -> dict[str, Source]:
    """Where a tensor of a block goes: queries, keys and values into one, all others as they are."""
    tower, number, part, kind = found.groups()
    start = f"{_TOWERS[tower]}{number}."
    if part not in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"):
        return {f"{start}{BLOCK_NAMES.get(part, part)}.{kind}": Source((theirs[found[0]],))}
    joined = [f"{tower}_model.encoder.layers.{number}.self_attn.{letter}_proj.{kind}" for letter in "qkv"]
    return {f"{start}attn.in_proj_{kind}": Source(tuple(theirs[name] for name in joined if name in theirs))}
