"""The measures of a run as rows before and after, each with its interval and, beside it, the same with people whom the model never met."""

from __future__ import annotations

from collections.abc import Sequence

from unlearn.runs.documents import wording
from unlearn.runs.documents.content import EvidenceRow
from unlearn.runs.documents.intervals import Share, share
from unlearn.runs.documents.naming import Naming
from unlearn.runs.many_persons import MOST_ALONE
from unlearn.runs.metrics import Counts
from unlearn.runs.records import AttackRecord, BeforeAfter, Verdict
from unlearn.runs.recovery_sentences import N_TEMPLATES
from unlearn.runs.results import Run

Shares = BeforeAfter[Share | None]
NO_CONTROL: Shares = BeforeAfter(None, None)


def evidence(run: Run, naming: Naming) -> tuple[EvidenceRow, ...]:
    """The rows; what was not measured has no row."""
    rows = [*_prompts(run, naming), _recognised(run), _false_recall(run), _bystanders(run), _things(run)]
    return tuple(row for row in rows if row is not None and (row.original is not None or row.defended is not None))


def n_templates(record: AttackRecord) -> int:
    """Prompts of the attack on somebody."""
    return len(record.templates) or N_TEMPLATES


def named(verdicts: BeforeAfter[Verdict], n: int) -> Shares:
    """Prompts that give the right name."""
    return BeforeAfter(share(verdicts.original.correct_templates, n), share(verdicts.defended.correct_templates, n))


def _prompts(run: Run, naming: Naming) -> list[EvidenceRow]:
    """A row a person where there are few, with all prompts of all strangers as control."""
    if len(run.idia.persons) > MOST_ALONE:
        return []
    rows = []
    for number, record in enumerate(run.idia.persons):
        n = n_templates(record)
        measure = wording.PROMPTS_NAMING.format(n=n, who=naming.of(number))
        sides = named(record, n)
        rows.append(EvidenceRow(sides.original, sides.defended, measure, _strangers_named(run, record.original.is_drawn)))
    return rows


def _strangers_named(run: Run, is_drawn: bool) -> Shares:
    """Prompts that name strangers rightly; persons on drawn portraits are compared with drawn strangers."""
    alike = [record for record in run.idia.controls if record.original.is_drawn == is_drawn]
    n = sum(map(n_templates, alike))
    sides = [record.original for record in alike], [record.defended for record in alike]
    original, defended = (share(_sum([verdict.correct_templates for verdict in side]), n) for side in sides)
    return BeforeAfter(original, defended)


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) and counts else None


def _recognised(run: Run) -> EvidenceRow:
    attacked = [person.idia for person in run.metrics.persons if person.idia.defended.recognised is not None]
    before, after = sum(bool(one.original.recognised) for one in attacked), sum(bool(one.defended.recognised) for one in attacked)
    drawn = run.metrics.drawn_photos
    control = drawn if drawn is not None and len(attacked) == drawn.n_persons else run.metrics.control
    original, defended = share(before, len(attacked)), share(after, len(attacked))
    return EvidenceRow(original, defended, wording.PERSONS_RECOGNISED, _counted(control))


def _counted(counts: Counts) -> Shares:
    return BeforeAfter(share(counts.recognised_original, counts.n), share(counts.recognised_defended, counts.n))


def _false_recall(run: Run) -> EvidenceRow | None:
    recall = run.metrics.false_recall
    if recall is None:
        return None
    before, after = recall.unknown_original, recall.unknown_defended
    remark = wording.FALSE_RECALL_CONTROL.format(original=before, defended=after) if before is not None and after is not None else ""
    original, defended = (share(count, recall.n_faces) for count in (recall.recalled_original, recall.recalled_defended))
    return EvidenceRow(original, defended, wording.FALSE_RECALL, NO_CONTROL, remark)


def _bystanders(run: Run) -> EvidenceRow:
    sides = _counted(run.metrics.bystanders)
    return EvidenceRow(sides.original, sides.defended, wording.BYSTANDERS_RECOGNISED, NO_CONTROL)


def _things(run: Run) -> EvidenceRow:
    utility = run.metrics.utility
    original, defended = (None if one is None else Share(one) for one in (utility.top1_original, utility.top1_defended))
    return EvidenceRow(original, defended, wording.THINGS_NAMED, NO_CONTROL, wording.NO_COUNT)
