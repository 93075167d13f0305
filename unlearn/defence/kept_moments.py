"""What the closed form keeps: the mean of h h^T over texts whose states must not change, for each edited layer.

Half of it is general: captions, and captions with names that nobody knows. It depends on the model set alone and takes thousands of
texts, so a set may bring it in a file. The other half belongs to a run: the names of people to keep, and the run's targets.

Source: Meng et al. (ICLR 2023) take such statistics from 100,000 texts of an encyclopedia, once for each model.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unlearn.config import ClosedForm
from unlearn.defence.last_blocks import LastBlocks, position_weights, second_layers, second_moment, with_some_padding, without_shortcuts
from unlearn.errors import ConfigError
from unlearn.models.encoders import TextEncoder
from unlearn.texts.captions import text_file
from unlearn.texts.prompts import random_position, replace_word
from unlearn.texts.stand_in_names import drawn_names

N_DRAWN_NAMES = 1000
WEIGHTS = "text encoder"  # key of the hash of the weights in the file
MADE_BY = ("end_weight", "padding_weight", "name_share", "name_alone_share")  # of `ClosedForm`: they stand in the file, too
SEED = -1  # of the general texts, which are the same for every run


def kept_moments(
    teacher: TextEncoder, config: ClosedForm, captions: Sequence[str], texts: Sequence[str], after_chunk: Callable[[], None]
) -> list[Tensor]:
    """A matrix (h, h) for each edited layer, the first block first, on the teacher's device.

    Args:
        teacher: the original.
        config: how many blocks and texts, and where a set brings the general part.
        captions: for the general part, where no file has it.
        texts: of this run.
        after_chunk: as of `closed_form.edited`.

    Raises:
        ConfigError: the file of the general part cannot be read.
    """
    general = read_moments(config, teacher)
    if general is None:
        general = moments(teacher, general_texts(captions, config), config, after_chunk)
    own, share = moments(teacher, texts, config, after_chunk), config.general_share
    return [share * a.to(b.device) + (1 - share) * b for a, b in zip(general, own, strict=True)]


@torch.no_grad()
def moments(
    encoder: TextEncoder, texts: Sequence[str], config: ClosedForm, after_chunk: Callable[[], None] = lambda: None
) -> list[Tensor]:
    """The mean (h, h) of h h^T over the weighted positions of the texts, in double precision, for each of the last blocks."""
    plain = without_shortcuts(encoder)
    tokens = with_some_padding(plain, plain.tokenize(texts))
    weights, n_blocks = position_weights(plain, tokens, config), config.n_blocks
    blocks = LastBlocks(plain, tokens, n_blocks, after_chunk)
    return [second_moment((inputs for inputs, _ in blocks.passes(layer)), weights) for layer in second_layers(plain, n_blocks)]


def general_texts(captions: Sequence[str], config: ClosedForm) -> list[str]:
    """Captions, some of them with a drawn name in a word's place, and drawn names alone; the same for every run."""
    generator = random.Random(f"general texts {SEED}")
    names = drawn_names(N_DRAWN_NAMES, SEED, ())
    texts = []
    for _ in range(config.n_general_texts):
        caption, name, draw = generator.choice(captions), generator.choice(names), generator.random()
        if draw < config.name_share * config.name_alone_share:
            texts.append(name)
        elif draw < config.name_share:
            texts.append(replace_word(caption, random_position(caption, generator), name))
        else:
            texts.append(caption)
    return texts


def read_moments(config: ClosedForm, encoder: TextEncoder) -> list[Tensor] | None:
    """The general part from the set's file; None: the set has none, or it is of other weights, fewer blocks or made in another way.

    Raises:
        ConfigError: the file cannot be read.
    """
    if config.moments is None:
        return None
    from safetensors import SafetensorError, safe_open

    path = text_file(config.moments)
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            is_same = about.get(WEIGHTS) == encoder.weights_hash and _made_by(about) == _made_by(vars(config))
            names = sorted(file.keys(), key=int)[-config.n_blocks :]
            if not is_same or len(names) < config.n_blocks:
                return None
            return [_whole(file.get_tensor(name)) for name in names]
    except (OSError, SafetensorError, ValueError) as error:
        raise ConfigError(f"The statistics of the closed form, {path.name}, cannot be read: {error}.") from error


def _made_by(values: Mapping[str, Any]) -> list[float]:
    """The settings that a file was made by; one that does not tell was made by the defaults."""
    return [float(values.get(name, getattr(ClosedForm(), name))) for name in MADE_BY]


def write_moments(path: Path, encoder: TextEncoder, config: ClosedForm, of_layers: Sequence[Tensor]) -> None:
    """Write what `read_moments` reads: of each symmetric matrix the upper half, in float32, under the number of its block."""
    from safetensors.torch import save_file

    tensors = {str(i): of_layer[_upper(len(of_layer))].float().contiguous() for i, of_layer in enumerate(of_layers)}
    save_file(tensors, path, {WEIGHTS: encoder.weights_hash, **{name: str(getattr(config, name)) for name in MADE_BY}})


def _upper(size: int) -> tuple[Tensor, Tensor]:
    rows, columns = torch.triu_indices(size, size)
    return rows, columns


def _whole(upper: Tensor) -> Tensor:
    """The symmetric matrix (h, h) in double precision, of its upper half (h (h + 1) / 2,)."""
    size = math.isqrt(2 * upper.numel())
    if upper.dim() != 1 or size * (size + 1) != 2 * upper.numel():
        raise ValueError(f"{tuple(upper.shape)} is no half of a matrix")
    whole = torch.zeros(size, size, dtype=torch.float64)
    rows, columns = _upper(size)
    whole[rows, columns] = upper.double()
    whole[columns, rows] = upper.double()
    return whole
