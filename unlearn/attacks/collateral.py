"""Who was recognised before and after: rates over persons, and what happened to bystanders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from unlearn.errors import InputError


class Verdict(Protocol):
    """What is needed of an outcome of the attack (`idia.IdiaOutcome`)."""

    @property
    def name(self) -> str: ...

    @property
    def recognised(self) -> bool | None: ...


@dataclass(frozen=True)
class Collateral:
    """What became of persons who were not to be forgotten; counts."""

    n: int
    recognised_original: int
    recognised_defended: int
    wrongly_forgotten: int
    newly_recalled: int
    unchanged: int

    @property
    def kept(self) -> float | None:
        """Share of those recognised before who still are; None where nobody was."""
        if self.recognised_original == 0:
            return None
        return 1.0 - self.wrongly_forgotten / self.recognised_original


def collateral(before: Sequence[Verdict], after: Sequence[Verdict]) -> Collateral:
    """Compare the attack on the same bystanders on the original and on the defended model.

    Raises:
        InputError: not the same persons in the same order.
    """
    pairs = _attacked_pairs(before, after)
    lost = sum(was and not still for was, still in pairs)
    gained = sum(still and not was for was, still in pairs)
    return Collateral(
        n=len(pairs),
        recognised_original=sum(was for was, _ in pairs),
        recognised_defended=sum(still for _, still in pairs),
        wrongly_forgotten=lost,
        newly_recalled=gained,
        unchanged=len(pairs) - lost - gained,
    )


def _attacked_pairs(before: Sequence[Verdict], after: Sequence[Verdict]) -> list[tuple[bool, bool]]:
    if [outcome.name for outcome in before] != [outcome.name for outcome in after]:
        raise InputError("The attacks before and after are not on the same persons in the same order.")
    return [
        (original.recognised, defended.recognised)
        for original, defended in zip(before, after, strict=True)
        if original.recognised is not None and defended.recognised is not None
    ]


def tpr(before: Sequence[Verdict], after: Sequence[Verdict]) -> float | None:
    """Share still recognised after the defence among those recognised before; None where nobody was.

    Raises:
        InputError: not the same persons in the same order.
    """
    still = [after_ for before_, after_ in _attacked_pairs(before, after) if before_]
    return sum(still) / len(still) if still else None


def fnr(before: Sequence[Verdict], after: Sequence[Verdict]) -> float | None:
    """1 - `tpr`; None where nobody was recognised before."""
    share = tpr(before, after)
    return None if share is None else 1.0 - share
