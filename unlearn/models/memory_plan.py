"""How work is cut so that it fits the memory of a card: what waits on the CPU, and how many samples go through at a time.

One pure function decides for drawing and for fine-tuning alike. The bytes a sample are bounds that `bench.peak_memory` counts on the meta
device for Stable Diffusion 1.4 and ViT-L/14; tests compare them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Memory = Literal["auto", "low", "full"]
Offload = Literal["none", "parts", "layers"]

GIGA = 1e9
ENOUGH = 8 * GIGA  # bytes; with so many free no part has to wait
USABLE = 0.9  # of the free memory; the rest is lost between tensors and to workspaces
UNET_BYTES = 8_400  # a latent pixel, a row, and a byte of the U-Net's numbers
DECODER_BYTES = 3_100  # a pixel of the picture, in float32
TRAINING_BYTES = 70  # a token, a layer, and a number of the width, in float32, with both losses
TRAINED_COPIES = 6  # of what is trained: original, gradient, two moments, and two of the regularisation


@dataclass(frozen=True)
class Part:
    """A part of a model at work.

    Attributes:
        n_bytes: what it holds whatever it does.
        sample_bytes: what a sample adds.
        most, least: samples of one pass where memory is plenty, or short.
    """

    n_bytes: int
    sample_bytes: int
    most: int
    least: int = 1


@dataclass(frozen=True)
class Plan:
    """What the decision is.

    Attributes:
        offload: "parts": those not at work wait on the CPU; "layers": also each layer of a part until it is its turn.
        samples: of one pass, for each part.
        note: for people; "" where nothing is cut.
    """

    offload: Offload
    samples: tuple[int, ...]
    note: str = ""


def memory_plan(what: str, parts: Sequence[Part], free: int | None, choice: Memory, can_wait: bool) -> Plan:
    """How the parts of a model do their work, one after the other, in the memory that is free.

    Args:
        what: is done, for the note: "drawing", "fine-tuning".
        parts: not yet in that memory.
        free: bytes; None: not known or not short, so that only "low" cuts.
        choice: "auto" by the free memory; "low" as little as possible; "full" nothing is cut.
        can_wait: whether there is another memory in which parts can wait for their turn.
    """
    whole = tuple(part.most for part in parts)
    together = sum(part.n_bytes for part in parts)
    budget = math.inf if free is None else USABLE * free
    fits = together + max(part.sample_bytes * part.most for part in parts) <= budget
    if choice == "full" or (choice == "auto" and fits):
        return Plan("none", whole)
    reason = "as asked for" if free is None else f"{free / GIGA:.1f} GB are free"
    waits = can_wait and (choice == "low" or (free or 0) < ENOUGH)
    rooms = [budget - (part.n_bytes if waits else together) for part in parts]  # for the samples of the part at work
    limits = [part.least if choice == "low" else part.most for part in parts]
    samples = tuple(_fitting(*each) for each in zip(parts, rooms, limits, strict=True))
    if not waits:
        return Plan("none", samples, f"{what} in passes of {samples[0]}: {reason}")
    if all(part.least * part.sample_bytes <= room for part, room in zip(parts, rooms, strict=True)):
        return Plan("parts", samples, f"{what} with CPU offload: {reason}")
    return Plan("layers", samples, f"{what} with CPU offload layer by layer, which is slow: {reason}")


def _fitting(part: Part, room: float, limit: int) -> int:
    """Samples of a pass: no more than fit, and no fewer than the least."""
    return limit if room == math.inf else max(part.least, min(limit, int(room // max(1, part.sample_bytes))))


def training_part(n_bytes: int, n_trained_bytes: int, sizes: tuple[int, int, int], n_rows: int) -> Part:
    """A text encoder in its fine-tuning, beside the original.

    Args:
        n_bytes: of its parameters.
        n_trained_bytes: of those that are trained.
        sizes: tokens of a text, width, layers.
        n_rows: texts of a batch.
    """
    tokens, width, layers = sizes
    return Part(n_bytes + TRAINED_COPIES * n_trained_bytes, TRAINING_BYTES * tokens * width * layers, n_rows, least=8)
