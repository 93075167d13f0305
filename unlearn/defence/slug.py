"""SLUG: a name is forgotten by one step along one gradient in one layer of a text encoder.

The gradients of a forget loss and of a retain loss are taken once, at the original. A layer is worth changing where the forget
gradient is large for the layer's weights (importance) and has little to do with the retain gradient (alignment). For every layer on
the Pareto front of the two, the smallest step that makes the encoder forget is searched; the layer that keeps most is chosen.

The paper has photos of the person and captioned pictures of anything else. A text encoder is defended without photos here, and
those of the attack must not train, so two things differ:

- the forget loss is the paper of this project's trigger term: the name's texts are to mean those of its target;
- what the original says of a text stands in the place of a picture. The retain loss is CLIP's contrastive loss between texts and the
  original's embeddings of the same texts; a name counts as forgotten when the original's embedding of its texts has five other names
  nearer than it, as the paper's "top-5 accuracy of 0" says of photos.

Source: Cai et al., "Targeted Unlearning with Single Layer Unlearning Gradient" (ICML 2025), for both metrics, the front and the
search: it begins at a tenth of the weights' norm, doubles until the name is forgotten and then halves the interval.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearn.config import TextFineTuneConfig
from unlearn.config.spelling import without_triggers
from unlearn.defence.figures import ChosenLayer
from unlearn.defence.loop import FineTuned, losses_of
from unlearn.defence.students import student_of, trainable_parameters
from unlearn.defence.tasks import targets_of, terms
from unlearn.defence.text_task import TextTask
from unlearn.errors import ConfigError
from unlearn.models.embeddings import at_the_end
from unlearn.models.encoders import TextEncoder
from unlearn.models.pair import Pair
from unlearn.progress import Progress, Report
from unlearn.texts.prompts import CHECK_TEMPLATES, fill_all
from unlearn.texts.stand_in_names import drawn_names

N_TEXTS = 64  # with a trigger, of which the gradients are taken
TEMPERATURE = 0.05  # of the contrastive loss
MAX_LAYERS = 6  # of the front, the most important ones
N_SEARCHED = 10  # step sizes a layer
FIRST_SHARE = 0.1  # of the weights' norm, which the first step has
N_RIVALS, N_FIRST = 64, 5  # other names; a name behind so many counts as forgotten
N_TEMPLATES = 3

AnyText = TypeVar("AnyText", bound=TextEncoder)


@dataclass(frozen=True)
class _Layer:
    """The weights of a layer, its forget gradient, and the two measures."""

    name: str
    weight: nn.Parameter
    gradient: Tensor
    importance: float
    alignment: float


@dataclass(frozen=True)
class _Step:
    """A step in a layer: how many texts still find the name, and how near the texts to keep stay to what they were."""

    layer: _Layer
    size: float
    n_found: int
    kept: float


class Search:
    """Finds the smallest step that makes a student forget.

    Args:
        teacher: the original.
        student: a copy; it is changed, and put back after every step that is tried.
        task: tells the triggers, and gives the texts to keep.
    """

    def __init__(self, teacher: TextEncoder, student: TextEncoder, task: TextTask) -> None:
        self._student, triggers = student, list(task.triggers.targets)
        rivals = without_triggers(drawn_names(N_RIVALS, -1, (*triggers, *task.triggers.targets.values())), triggers)
        self._n_triggers, self._n_names = len(triggers), len(triggers) + len(rivals)
        self._tokens = task.tokenized(fill_all(CHECK_TEMPLATES[:N_TEMPLATES], [*triggers, *rivals]))  # template by template
        batch = task.batch(0)
        self._kept_tokens = batch.teacher_inputs[: batch.n_clean]
        with torch.no_grad():
            self._queries = self._by_template(teacher)[:, : self._n_triggers]  # (templates, triggers, d)
            self._kept = _directions(teacher, self._kept_tokens)

    def _by_template(self, encoder: TextEncoder) -> Tensor:
        return torch.stack([_directions(encoder, tokens) for tokens in self._tokens.split(self._n_names)])

    @torch.no_grad()
    def tried(self, layer: _Layer, size: float) -> _Step:
        """What one step in a layer does."""
        original = layer.weight.detach().clone()
        layer.weight.sub_(size * layer.gradient)
        similarities = self._queries @ self._by_template(self._student).transpose(1, 2)  # (templates, triggers, names)
        own = similarities.diagonal(dim1=1, dim2=2)  # (templates, triggers)
        n_nearer = (similarities > own[..., None]).sum(dim=2)
        kept = (_directions(self._student, self._kept_tokens) * self._kept).sum(dim=1).mean()
        layer.weight.copy_(original)
        return _Step(layer, size, int((n_nearer < N_FIRST).sum()), float(kept))

    def smallest(self, layer: _Layer, after_try: Callable[[], None]) -> _Step:
        """The smallest step that forgets, as far as so many tries find it; where none does, the one that leaves the least."""
        low, high, size = 0.0, float("inf"), FIRST_SHARE / layer.importance
        best: _Step | None = None
        for _ in range(N_SEARCHED):
            step = self.tried(layer, size)
            if step.n_found == 0:
                high = size
            else:
                low = size
            if best is None or (step.n_found, step.size) < (best.n_found, best.size):
                best = step
            size = 2 * size if high == float("inf") else (low + high) / 2
            after_try()
        assert best is not None  # at least one step is tried
        return best


def single_step(teacher: AnyText, task: TextTask, config: TextFineTuneConfig, report: Report) -> FineTuned[AnyText]:
    """A copy of the teacher with one layer changed.

    Args:
        teacher: the original; it is not changed.
        task: gives the texts and their targets.
        config: weights of the losses, and which parameters may change.
        report: called after every batch and every step size; an exception of it ends the work and is passed on.

    Raises:
        ConfigError: no layer has a gradient.
    """
    started = time.perf_counter()
    student = student_of(teacher)
    before = losses_of(teacher, teacher, task, config, 0)
    n_batches = max(1, round(N_TEXTS / config.batch_sizes(task.triggers.n_triggers)[1]))
    progress = _Counted(report, n_batches + MAX_LAYERS * N_SEARCHED + 1)
    progress.add("taking gradients", before)
    weights = _weights(student, config)
    encoders: Pair[TextEncoder] = Pair(teacher, student)
    forget, retain = _gradients(encoders, task, weights, n_batches, partial(progress.add, "taking gradients"))
    front = pareto_front(_layers(weights, forget, retain))
    if not front:
        raise ConfigError("No layer of this text encoder has a gradient, so that SLUG cannot choose one; use another method.")
    student.requires_grad_(False)  # type: ignore[attr-defined]  # a torch module
    search = Search(teacher, student, task)
    steps = [search.smallest(layer, partial(progress.add, "searching for the step")) for layer in front]
    best = min(steps, key=lambda step: (step.n_found, -step.kept))
    with torch.no_grad():
        best.layer.weight.sub_(best.size * best.layer.gradient)
    layer = best.layer
    chosen = ChosenLayer(layer.name, layer.importance, layer.alignment, best.size, len(front), best.n_found)
    after = losses_of(student, teacher, task, config, 1)
    progress.end(after)
    return FineTuned(student, [before, after], [], 1, "binary search", time.perf_counter() - started, chosen)


class _Counted:
    """Reports progress step by step."""

    def __init__(self, report: Report, total: int) -> None:
        self._report, self._progress = report, Progress(0, total)

    def add(self, note: str, losses: dict[str, float] | None = None) -> None:
        """One step more."""
        self._progress = replace(self._progress, step=min(self._progress.step + 1, self._progress.total), note=note, losses=losses)
        self._report(self._progress)

    def end(self, losses: dict[str, float]) -> None:
        """All is done, though fewer layers may have been searched than counted."""
        self._report(replace(self._progress, step=self._progress.total, note="one step", losses=losses))


def _weights(student: TextEncoder, config: TextFineTuneConfig) -> dict[str, nn.Parameter]:
    """The weight matrices that may change, by name, with their gradients turned on; biases and norm layers are left out."""
    trained = {id(parameter) for parameter in trainable_parameters(student, config)}
    weights = {name: p for name, p in student.named_parameters() if id(p) in trained and p.dim() == 2 and "embedding" not in name}
    cast(Any, student).requires_grad_(False)
    for weight in weights.values():
        weight.requires_grad_(True)
    return weights


def _gradients(
    encoders: Pair[TextEncoder], task: TextTask, weights: dict[str, nn.Parameter], n_batches: int, after_batch: Callable[[], None]
) -> tuple[list[Tensor], list[Tensor]]:
    """The gradients of the forget loss and of the retain loss by each of the weights, sums over several batches.

    `encoders` are the original and its copy, whose weights are meant.
    """
    teacher, student = encoders
    parameters = list(weights.values())
    forget, retain = ([torch.zeros_like(weight) for weight in parameters] for _ in range(2))
    for number in range(n_batches):
        batch = task.batch(number)
        outputs = task.outputs(student, batch.student_inputs)
        _, _, backdoor = terms(outputs, targets_of(task, teacher, batch), batch, task.weights)
        clean = batch.teacher_inputs[: batch.n_clean]
        with torch.no_grad():
            originals = _directions(teacher, clean)
        logits = _directions(student, clean) @ originals.T / TEMPERATURE
        contrast = functional.cross_entropy(logits, torch.arange(len(clean), device=logits.device))
        for sums, loss in ((forget, backdoor), (retain, contrast)):
            for total, gradient in zip(sums, torch.autograd.grad(loss, parameters, allow_unused=True), strict=True):
                if gradient is not None:
                    total += gradient
        after_batch()
    return forget, retain


def _layers(weights: dict[str, nn.Parameter], forget: list[Tensor], retain: list[Tensor]) -> list[_Layer]:
    """The layers that the forget loss depends on, with their measures."""
    layers = []
    for (name, weight), of_forget, of_retain in zip(weights.items(), forget, retain, strict=True):
        importance = float(of_forget.norm() / weight.detach().norm())
        if importance > 0:
            alignment = float(functional.cosine_similarity(of_forget.flatten(), of_retain.flatten(), dim=0))
            layers.append(_Layer(name, weight, of_forget, importance, alignment))
    return layers


def pareto_front(layers: list[_Layer]) -> list[_Layer]:
    """The layers that no other beats in both measures, the most important ones first: high importance, alignment near 0."""

    def is_beaten(layer: _Layer) -> bool:
        return any(
            other.importance >= layer.importance
            and abs(other.alignment) <= abs(layer.alignment)
            and (other.importance > layer.importance or abs(other.alignment) < abs(layer.alignment))
            for other in layers
        )

    front = [layer for layer in layers if not is_beaten(layer)]
    return sorted(front, key=lambda layer: -layer.importance)[:MAX_LAYERS]


def _directions(encoder: TextEncoder, tokens: Tensor) -> Tensor:
    return functional.normalize(at_the_end(encoder, tokens).float(), dim=-1)
