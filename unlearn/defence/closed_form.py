"""The closed-form start of the fine-tuning: the last blocks of a text encoder are edited by least squares.

A name that is to be forgotten has, at every position from the name on, the states that its target has in the same text; what
other texts have stays. In the last blocks both are asked of one weight matrix W, the second layer of the block's two-layer
network, whose inputs are h and whose outputs are added to the states. Its change D is the minimum of

    mean over texts with a trigger of |D h - r|^2  +  keep_weight * mean over texts to keep of |D h|^2

where r is what is still missing at the end of the last block, shared out evenly among the edited blocks that follow. That is a
linear system of the size of h. Where many names are remapped to names that the model does not know, gradient steps take the easy
way: they push all unknown names together, and what little then remains of a forgotten name decides among them. The closed form
leaves the unknown names where they are, because they are among the texts to keep (`defence.kept_moments`).

At last the embeddings get the length of their targets' (`defence.lengths`), which neither the objective nor the losses of the steps
hold: by it a forgotten name could be told from unknown ones.

Source: the objective and the sharing out among blocks follow Meng et al., "Mass-Editing Memory in a Transformer" (ICLR 2023). Here
the targets are the original's own states of another text, not optimised ones, and the loop of the defence goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearn.config import ClosedForm
from unlearn.defence.kept_moments import kept_moments
from unlearn.defence.last_blocks import (
    CHUNK,
    LastBlocks,
    offset_weights,
    second_layers,
    with_some_padding,
    without_shortcuts,
)
from unlearn.defence.lengths import lengths, missing_for
from unlearn.defence.moments import Moment, Watch, unwatched
from unlearn.defence.students import student_of
from unlearn.defence.text_task import TextTask
from unlearn.models.embeddings import at_the_end
from unlearn.models.encoders import TextEncoder
from unlearn.models.soft_tokens import SoftTexts
from unlearn.texts.triggers import TriggerTexts

DAMPING = 1e-6  # of the mean diagonal, so that the system can be solved where inputs are never active
LENGTH_KEEP = 1e-3  # of the weight of what is kept, while lengths are mended: with the whole weight such small changes come to nothing

AnyText = TypeVar("AnyText", bound=TextEncoder)


@dataclass(frozen=True)
class _Pairs:
    """Positions of texts with a trigger, and the positions of the same texts with the target that they are compared with.

    Attributes:
        tokens, target_tokens: (n, L) token ids; the former with tokens of their own where names are moved.
        texts: (m,) number of the text of each pair of positions.
        positions, target_positions: (m,) in the two texts.
        weights: (m,) of the pairs in the objective.
        triggers: (n,) number of each text's trigger.
        moved: the meanings of these tokens; None: there are none.
    """

    tokens: Tensor
    target_tokens: Tensor
    texts: Tensor
    positions: Tensor
    target_positions: Tensor
    weights: Tensor
    triggers: Tensor
    moved: SoftTexts | None = None

    def reader(self, encoder: AnyText) -> AnyText:
        """The encoder as it has to be for these texts."""
        return encoder if self.moved is None else self.moved.read_by(encoder)

    def at_the_ends(self, rows: Tensor, reader: TextEncoder) -> Tensor:
        """(m, w): each text's row (n, w) at the end of the text, and nothing at its other positions; `reader`: as of `reader`."""
        is_end = self.positions == reader.end_of_text_positions(self.tokens)[self.texts]
        return rows[self.texts] * is_end.to(rows.device)[:, None]


def edited(
    teacher: AnyText, task: TextTask, config: ClosedForm, after_chunk: Callable[[], None] = lambda: None, watch: Watch = unwatched
) -> AnyText:
    """A copy of the teacher whose last blocks are edited; neither is in training mode.

    Args:
        teacher: the original; it is not changed.
        task: gives the texts with a trigger, their targets, the texts to keep, and the overshoot.
        config: how many blocks and texts, and the weight of what is kept.
        after_chunk: called after every few hundred texts; an exception of it ends the work and is passed on.
        watch: shown the encoder behind every block; behind the last one the lengths are corrected, too.

    Raises:
        ConfigError: the encoder's blocks are of another kind.
    """
    student: Any = student_of(teacher)
    twin = without_shortcuts(student)
    layers = second_layers(twin, config.n_blocks)
    n_texts = max(config.min_texts, config.texts_per_trigger * task.triggers.n_written)
    texts = task.triggers.texts(n_texts * (1 if task.ball is None else 2), config.n_kept_texts)
    pairs = _pairs_of(twin, task, texts, config)
    keep_weight = config.keep_weight / task.triggers.n_triggers**0.5  # one name is easily moved; among many each has a small share
    with torch.no_grad():
        moments = kept_moments(teacher, config, task.triggers.captions, texts.kept, after_chunk)
        triggered = LastBlocks(pairs.reader(twin), pairs.tokens, len(layers), after_chunk)
        of_target = LastBlocks(twin, pairs.target_tokens, len(layers), after_chunk)
        wanted = torch.cat([states for _, states in of_target.passes(layers[0])])[pairs.texts, pairs.target_positions]
        for number, (layer, of_kept) in enumerate(zip(layers, moments, strict=True)):
            inputs, states = map(torch.cat, zip(*triggered.passes(layer), strict=True))
            solver = _Solver(inputs[pairs.texts, pairs.positions], pairs.weights, of_kept, keep_weight)
            missing = (wanted - states[pairs.texts, pairs.positions]) / (len(layers) - number)
            change = solver.change(missing)
            if layer is layers[-1]:
                scales = _wanted_scales(*_remaining(teacher, twin, layer, change, pairs), task.overshoot, config)
                change = solver.change(missing * scales[pairs.triggers[pairs.texts]][:, None])
            layer.weight += change
            if layer is layers[-1] and teacher.pools and config.n_length_corrections > 0:
                solver = _Solver(inputs[pairs.texts, pairs.positions], pairs.weights, of_kept, LENGTH_KEEP * keep_weight)
                for missing in _for_lengths(lengths(teacher, pairs.target_tokens), twin, pairs, config.n_length_corrections, after_chunk):
                    layer.weight += solver.change(missing)
            watch(Moment("block", number + 1, len(layers)), twin)
    student.load_state_dict(twin.state_dict())
    return cast(AnyText, student)


def _pairs_of(encoder: TextEncoder, task: TextTask, texts: TriggerTexts, config: ClosedForm) -> _Pairs:
    """The pairs of a task's texts, with the names moved where the task moves them."""
    pairs = _paired(encoder, config, (task.tokenized(texts.triggered), task.tokenized(texts.neutral)), texts.trigger_indices)
    if task.ball is None:
        return pairs
    moved = task.ball.around(pairs.tokens, texts.written, step=-1)
    return replace(pairs, tokens=moved.tokens, moved=moved)


def _paired(encoder: TextEncoder, config: ClosedForm, both: tuple[Tensor, Tensor], triggers: Sequence[int]) -> _Pairs:
    """Positions from the name on, paired by their distance from the end of the text: names may differ in length.

    `both`: token ids (n, L) of the texts with a trigger, and of the same with its target.
    """
    (tokens, target_tokens), n_texts = both, len(both[0])
    tokens, target_tokens = with_some_padding(encoder, torch.cat([tokens, target_tokens])).split(n_texts)
    ends, target_ends = encoder.end_of_text_positions(tokens), encoder.end_of_text_positions(target_tokens)
    first = (tokens != target_tokens).long().argmax(dim=1)  # of the name
    length = tokens.shape[1]
    before, behind = torch.minimum(ends, target_ends) - first, length - 1 - torch.maximum(ends, target_ends)
    offsets = torch.arange(-length, length)[None]  # from the end of the text
    texts, column = ((offsets >= -before[:, None]) & (offsets <= behind[:, None])).nonzero(as_tuple=True)
    offset = offsets[0, column]
    positions, target_positions = ends[texts] + offset, target_ends[texts] + offset
    weights = offset_weights(offset, config)
    return _Pairs(tokens, target_tokens, texts, positions, target_positions, weights, torch.tensor(list(triggers)))


class _Solver:
    """The minimum of the objective for one layer, for any missing states."""

    def __init__(self, inputs: Tensor, weights: Tensor, of_kept: Tensor, keep_weight: float) -> None:
        weighted = inputs * weights.to(inputs.device)[:, None]
        system = (weighted.T @ inputs).double() / float(weights.sum()) + keep_weight * of_kept
        damping = DAMPING * system.diagonal().mean().clamp_min(torch.finfo(torch.float32).tiny)
        self._factor = torch.linalg.cholesky(system + damping * torch.eye(len(system), dtype=system.dtype, device=system.device))
        self._weighted, self._total = weighted, float(weights.sum())

    def change(self, missing: Tensor) -> Tensor:
        """The change (w, h) of the layer's weights for the missing states (m, w)."""
        right = (self._weighted.T @ missing).double() / self._total  # (h, w)
        return torch.cholesky_solve(right, self._factor).T.to(missing.dtype)


def _wanted_scales(before: Tensor, after: Tensor, overshoot: float, config: ClosedForm) -> Tensor:
    """By how much the last change has to be scaled for each trigger, so that nothing of it remains in its embeddings.

    The objective alone leaves some per cent, as every ridge regression does. With an overshoot the embeddings go so much beyond the
    target. `before`, `after`: as of `_remaining`.
    """
    gained = (before - after).clamp_min(1e-6)
    return ((before + overshoot) / gained).clamp(config.least_scale, config.greatest_scale)


def _remaining(teacher: TextEncoder, student: Any, layer: nn.Linear, change: Tensor, pairs: _Pairs) -> tuple[Tensor, Tensor]:
    """The part of the way from target to trigger that is still left, along that way, without the last change and with it."""
    of_trigger, of_target = _at_the_end(pairs.reader(teacher), pairs.tokens), _at_the_end(teacher, pairs.target_tokens)
    way = of_trigger - of_target

    def remaining() -> Tensor:
        along = ((_at_the_end(pairs.reader(student), pairs.tokens) - of_target) * way).sum(dim=1) / way.pow(2).sum(dim=1).clamp_min(1e-12)
        n_triggers = int(pairs.triggers.max()) + 1
        sums = torch.zeros(n_triggers).index_add_(0, pairs.triggers, along)
        return sums / torch.zeros(n_triggers).index_add_(0, pairs.triggers, torch.ones(len(along))).clamp_min(1.0)

    before = remaining()
    layer.weight += change
    after = remaining()
    layer.weight -= change
    return before.to(change.device), after.to(change.device)


def _for_lengths(
    wanted: Tensor, student: TextEncoder, pairs: _Pairs, n_times: int, after_chunk: Callable[[], None]
) -> Iterator[Tensor]:
    """What the states (m, w) still lack for embeddings of the wanted lengths (n,), again after each change of the student."""
    reader = pairs.reader(student)
    for _ in range(n_times):
        yield pairs.at_the_ends(missing_for(wanted, reader, pairs.tokens, after_chunk), reader)


def _at_the_end(encoder: TextEncoder, tokens: Tensor) -> Tensor:
    """Directions (n, .) of the pooled embeddings, or of the states at the end of the text where there are none; on the CPU."""
    return functional.normalize(torch.cat([at_the_end(encoder, chunk).float() for chunk in tokens.split(CHUNK)]), dim=1).cpu()
