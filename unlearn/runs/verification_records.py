"""What the check of a run found, as `unlearn.runs.verification` gives it. Loads no model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from unlearn.runs.records import Side

TOLERANCE = 2  # levels of 255, in any pixel: what another batch or number of threads was seen to change, and one more
Outcome = Literal["equal", "rounding", "different", "undecided", "unreadable"]


@dataclass(frozen=True)
class WeightsCheck:
    """One file of weights: its SHA-256 in the seal and now; None where it is missing."""

    file: str
    sealed: str | None
    now: str | None
    is_equal: bool


@dataclass(frozen=True)
class PictureCheck:
    """One portrait, drawn again.

    Attributes:
        file: that was compared, relative to the run's folder.
        is_sealed_file: whether the file is byte for byte the one of the seal.
        n_pixels, n_different: of the picture, and of them those that differ.
        largest_difference: in levels of 255; None where the file cannot be read.
        outcome: "equal"; "rounding": no more than `TOLERANCE`; "different"; "undecided": more, but on another kind of device than the
            run's; "unreadable".
    """

    file: str
    model: Side
    seed: int
    is_sealed_file: bool
    n_pixels: int
    n_different: int
    largest_difference: int | None
    outcome: Outcome

    @property
    def is_good(self) -> bool:
        return self.is_sealed_file and self.outcome in ("equal", "rounding")


@dataclass(frozen=True)
class Verification:
    """What was compared.

    Attributes:
        is_verified: whether nothing differs; with weights that differ no picture is drawn.
        sealed_at: time of the seal.
        device, run_device: what drew now, and what drew in the run.
        tolerance: levels of 255 that count as rounding.
    """

    is_verified: bool
    sealed_at: str
    device: str
    run_device: str
    weights: tuple[WeightsCheck, ...]
    pictures: tuple[PictureCheck, ...]
    tolerance: int = TOLERANCE
