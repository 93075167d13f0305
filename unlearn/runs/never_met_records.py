"""The third column of a run's files: what the set's second CLIP, which never met the person, makes of the same questions.

The files are written already when it is added, so that nothing that fails here costs the run anything else. Things have no third
column: what a second CLIP makes of them tells how long it was trained, and nothing about forgetting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from unlearn.attacks.idia import IdiaOutcome
from unlearn.measure.probes import ProbedModel
from unlearn.measure.zero_shot import probabilities
from unlearn.models.images import embed_images
from unlearn.runs.json_types import from_json
from unlearn.runs.measuring import evaluation_photos
from unlearn.runs.metrics import Counts, Metrics
from unlearn.runs.never_met_model import ThirdColumn
from unlearn.runs.records import AttackRecord, Attacks, BystanderRow, PredictionRow, ProbeRow, ProbeSide, Verdict, Vote
from unlearn.runs.results import read_part, write_results


def with_never_met_model(out: Path, metrics: Metrics, column: ThirdColumn) -> Metrics:
    """Add the third column to a run's metrics, and to its files of the attack, the bystanders, the predictions and the probes."""
    outcomes = column.outcomes()
    figures = column.figures(outcomes)
    attacks, bystanders = read_part(out, "idia"), read_part(out, "bystanders")
    others = column.outcomes_of_others(record.name for record in (*attacks.controls, *bystanders))
    write_results(
        out,
        idia=Attacks(*(tuple(with_third(record, outcomes_of.get(record.name)) for record in records)
                       for records, outcomes_of in ((attacks.persons, outcomes), (attacks.controls, others)))),
        bystanders=tuple(_with_verdict(row, others.get(row.name)) for row in bystanders),
        predictions=_predicted(read_part(out, "predictions"), column),
        probes=_probed(read_part(out, "probes"), column),
    )  # fmt: skip
    return replace(
        metrics,
        persons=tuple(replace(person, never_met_model=figures.get(person.name)) for person in metrics.persons),
        bystanders=_counts(metrics.bystanders, [others[row.name] for row in bystanders if row.name in others], column),
        control=_counts(metrics.control, [others[record.name] for record in attacks.controls if record.name in others], column),
    )


def with_third(record: AttackRecord, outcome: IdiaOutcome | None) -> AttackRecord:
    """The record with the verdict and the votes of the second CLIP."""
    if outcome is None:
        return record
    pairs = zip(record.templates, outcome.templates, strict=True) if record.templates else ()
    votes = tuple(replace(votes, never_met=Vote.of(vote)) for votes, vote in pairs)
    return replace(record, never_met=Verdict.of(outcome), templates=votes)


def _with_verdict(row: BystanderRow, outcome: IdiaOutcome | None) -> BystanderRow:
    return row if outcome is None or not row.is_attacked else replace(row, never_met=Verdict.of(outcome))


def _counts(counts: Counts, outcomes: Sequence[IdiaOutcome], column: ThirdColumn) -> Counts:
    """The counts of people who were not to be forgotten, with those of the second CLIP."""
    recognised = {outcome.name: outcome.recognised for outcome in outcomes if outcome.recognised is not None}
    if len(recognised) != counts.n or not recognised:
        return counts
    n_unmet = sum(column.model.never_met(name, column.world) for name in recognised)
    return replace(counts, recognised_never_met=sum(recognised.values()), also_never_met=n_unmet)


def _predicted(rows: Sequence[PredictionRow], column: ThirdColumn) -> tuple[PredictionRow, ...]:
    """The rows of those whom the second CLIP never met, with its shares of the same labels for the same photos."""
    shown: Counter[int] = Counter()
    clip, completed = column.model.clip, []
    for row in rows:
        if row.name in column.names:
            image = evaluation_photos(row.name, column.world, column.photos)[shown[row.person_index]]
            (shares,) = probabilities(clip, embed_images(clip.image, image[None]), row.labels)
            row = replace(row, never_met=tuple(shares))
        shown[row.person_index] += 1
        completed.append(row)
    return tuple(completed)


def _probed(rows: Sequence[ProbeRow], column: ThirdColumn) -> tuple[ProbeRow, ...]:
    """The rows of those whom the second CLIP never met, with what it makes of the same texts."""
    config = column.compared.config
    probed = ProbedModel(column.model.clip, column.gallery, column.prompts, None)
    meanings: dict[tuple[int, str], ProbeSide] = {}
    for index, person in enumerate(config.persons):
        texts = [row.text for row in rows if row.person_index == index]
        if person.name in column.names and texts:
            sides = probed.meanings(texts, person.name, config.targets[person.name])
            meanings |= {(index, text): from_json(ProbeSide, side) for text, side in zip(texts, sides, strict=True)}
    return tuple(replace(row, never_met=meanings.get((row.person_index, row.text))) for row in rows)
