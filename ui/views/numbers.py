"""The measures of a run as a table: similarities of each encoder, utility, run times; and the evidence in sentences."""

from __future__ import annotations

from dataclasses import dataclass

from ui.views.render import DASH, decimal, percent, render
from unlearn.measure.figures import DataSetAccuracy
from unlearn.runs.metrics import PersonMetrics, Similarities
from unlearn.runs.results import Run
from unlearn.runs.sentences import findings

SIMILARITIES = {
    "sim_clean": "texts without the name keep their meaning; 1 is best",
    "sim_backdoor": "the name now means its target; 1 is best",
    "sim_target": "the target keeps its meaning; 1 is best",
}
IMAGE_SIMILARITIES = {
    "sim_clean": "other pictures keep their meaning; 1 is best",
    "sim_backdoor": "photos of the face now mean their target; 1 is best",
    "sim_target": "faces of other people keep their meaning; 1 is best",
}
SECONDS_TITLES = {
    "loading": "loading", "fine_tune": "fine-tuning", "fine_tune_image": "the face's part of it", "attack": "attacks",
    "measure": "measuring", "opponent": "attempts to bring back", "portraits": "portraits", "total": "in all",
}  # fmt: skip


@dataclass(frozen=True)
class NumberRow:
    """A measure before and after, as text; `meaning` says in which direction it is good; `never_met`: by the model of that kind."""

    title: str
    original: str
    defended: str
    meaning: str
    never_met: str = ""


def number_rows(run: Run) -> list[NumberRow]:
    """The measures of a run; a dash for what was not measured."""
    metrics, utility, people = run.metrics, run.metrics.utility, run.metrics.bystanders
    return [
        NumberRow("Attack succeeds (TPR)", DASH if metrics.tpr is None else percent(1.0, 1), percent(metrics.tpr, 1),
                  "share of the persons recognised before who still are; the aim is none"),
        NumberRow("Other people still recognised", _count(people.recognised_original), _count(people.recognised_defended),
                  f"of {people.n or DASH} who should not be forgotten; should not change"),
        NumberRow("Things, top-1", percent(utility.top1_original, 1), percent(utility.top1_defended, 1),
                  "zero-shot accuracy at the first guess; should not change"),
        NumberRow("Things, top-5", percent(utility.top5_original, 1), percent(utility.top5_defended, 1),
                  "zero-shot accuracy within five guesses; should not change"),
        *(row for accuracy in metrics.zero_shot for row in _accuracy_rows(accuracy)),
        *_similarity_rows(metrics, SIMILARITIES, "", run.config.encoder != "image"),
        *_similarity_rows(metrics.hidden, SIMILARITIES, ", hidden states"),
        *_similarity_rows(metrics.image, IMAGE_SIMILARITIES, ", image encoder"),
        *(row for person in metrics.persons for row in _three_rows(person)),
    ]  # fmt: skip


def _accuracy_rows(accuracy: DataSetAccuracy) -> list[NumberRow]:
    """Top-1 and top-5 on a published data set."""
    title, counted = accuracy.title, f"{accuracy.n_images:,} pictures of {accuracy.n_classes:,} classes"
    return [
        NumberRow(f"{title}, top-1", percent(accuracy.top1_original, 2), percent(accuracy.top1_defended, 2),
                  f"zero-shot accuracy at the first guess over {counted}; should not change"),
        NumberRow(f"{title}, top-5", percent(accuracy.top5_original, 2), percent(accuracy.top5_defended, 2),
                  f"zero-shot accuracy within five guesses over {counted}; should not change"),
    ]  # fmt: skip


def _three_rows(person: PersonMetrics) -> list[NumberRow]:
    """How the three models see a person; nothing of whom every model met."""
    models, idia = person.never_met_model, person.idia
    if models is None:
        return []
    before, after = _count(idia.original.correct_templates), _count(idia.defended.correct_templates)
    sides = (models.original, models.defended, models.never_met)
    rank, place = ([show(side) for side in sides] for show in (lambda side: f"{side.rank:,.0f}", lambda side: decimal(side.place, 1)))
    return [
        NumberRow(f"{person.name}: right prompts", before, after,
                  "prompts of the attack that gave the right name; defended should be like never met", str(models.correct_templates)),
        NumberRow(f"{person.name}: place", rank[0], rank[1],
                  f"of the own name among {models.n_names:,} on the person’s photos, the median of the prompts; 1 is nearest", rank[2]),
        NumberRow(f"{person.name}: lead", place[0], place[1],
                  "of the own name over the mean of all names, in standard deviations; defended should be like never met", place[2]),
    ]  # fmt: skip


def _similarity_rows(values: Similarities | None, meanings: dict[str, str], suffix: str, is_expected: bool = False) -> list[NumberRow]:
    """A row for each similarity that was measured; for all where they are expected."""
    known = {name: getattr(values, name) for name in meanings} if values is not None else {}
    n_captions = values.n_captions if values is not None else None
    counted = f" (over {n_captions:,} captions)" if n_captions is not None else ""
    return [
        NumberRow("_".join(word.capitalize() for word in name.split("_")) + suffix, "", decimal(value), meanings[name] + counted)
        for name, value in known.items()
        if value is not None or is_expected
    ]


def _count(value: int | None) -> str:
    return DASH if value is None else str(value)


def numbers(run: Run) -> str:
    """Similarities, utility and run times."""
    seconds = [(title, value) for name, title in SECONDS_TITLES.items() if (value := getattr(run.metrics.seconds, name)) is not None]
    rows = number_rows(run)
    return render("numbers", rows=rows, is_three=any(row.never_met for row in rows), seconds=seconds, device=run.manifest.device)


def evidence(run: Run) -> str:
    """What speaks for and against the run, each figure with its control."""
    return render("evidence", findings=findings(run.metrics))
