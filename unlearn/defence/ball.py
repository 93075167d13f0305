"""The ball around a name: texts in which the vectors of the name's tokens are moved at random, within a radius.

The paper names it as future work: a defence that holds for whatever lies near the name, not for the name's tokens alone.

Source of the idea: Hintersdorf et al. 2024, "Limitations and Future Work".
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from unlearn.models.encoders import TextEncoder
from unlearn.models.soft_tokens import SoftTexts, token_vectors

N_POINTS = 8  # of the ball in one batch; the texts with a trigger take turns
PLAIN_EVERY = 2  # one in so many texts keeps the name as it is


@dataclass
class Ball:
    """Moves the tokens of names.

    Attributes:
        encoder: the original, whose vectors are moved.
        radius: of the ball, as a share of the mean norm of all tokens' vectors.
        seed: of the random points.
    """

    encoder: TextEncoder
    radius: float
    seed: int
    _numbers: dict[str, Tensor] = field(default_factory=dict)

    def around(self, tokens: Tensor, written: Sequence[str], step: int) -> SoftTexts:
        """The texts with some of the names moved.

        Args:
            tokens: (n, L) of texts, of which the last `len(written)` hold a name.
            written: the name in each of these, as it is written there.
            step: draws the points; equal steps give equal texts.
        """
        tokens, first = tokens.clone(), len(tokens) - len(written)
        free = self._free(tokens)
        numbers: dict[tuple[str, int], Tensor] = {}
        for i, name in enumerate(written):
            turn, is_plain = divmod(i, PLAIN_EVERY)
            row, of_name, key = tokens[first + i], self._tokens_of(name), (name, turn % N_POINTS)
            place = _place(row, of_name)
            if is_plain or place is None:
                continue
            if key not in numbers:
                if len(free) < len(of_name):
                    continue
                numbers[key], free = free[: len(of_name)], free[len(of_name) :]
            row[place : place + len(of_name)] = numbers[key]
        return SoftTexts(tokens, _joined(list(numbers.values())), self._moved(list(numbers), step))

    def _tokens_of(self, name: str) -> Tensor:
        """Token ids of a name alone, without start and end."""
        if name not in self._numbers:
            tokens = self.encoder.tokenize([name], repair=False)
            self._numbers[name] = tokens[0, 1 : int(self.encoder.end_of_text_positions(tokens)[0])]
        return self._numbers[name]

    def _free(self, tokens: Tensor) -> Tensor:
        """Numbers of tokens that no text holds, and that neither begin nor end one."""
        start, end = self.encoder.tokenize([""])[0, :2].tolist()
        is_free = torch.ones(min(start, end), dtype=torch.bool)
        is_free[tokens[tokens < len(is_free)]] = False
        return is_free.nonzero()[:, 0]

    def _moved(self, points: Sequence[tuple[str, int]], step: int) -> Tensor:
        """(m, w) the vectors of the names' tokens, each moved in a random direction and by a random part of the radius."""
        vectors = token_vectors(self.encoder)
        of_names = vectors[_joined([self._tokens_of(name) for name, _ in points]).to(vectors.device)]
        generator = torch.Generator().manual_seed(random.Random(f"ball {self.seed} {step}").getrandbits(63))
        directions = functional.normalize(torch.randn(of_names.shape, generator=generator), dim=1)
        lengths = self.radius * float(vectors.norm(dim=1).mean()) * torch.rand(len(of_names), 1, generator=generator)
        return of_names + (lengths * directions).to(of_names)


def _place(row: Tensor, of_name: Tensor) -> int | None:
    """Where a name's tokens begin in a text (L,); None where they do not stand in it as they do alone."""
    if not len(of_name) or len(row) < len(of_name):
        return None
    starts = (row.unfold(0, len(of_name), 1) == of_name).all(dim=1).nonzero()
    return int(starts[0]) if len(starts) else None


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return torch.cat([*parts]) if parts else torch.empty(0, dtype=torch.int64)
