"""How results look on a terminal: progress bar, tables, one line for an error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unlearn.attacks.figures import DRAWN
from unlearn.config import ForgetConfig, IdiaConfig, Person, name_key
from unlearn.measure.figures import DataSetAccuracy
from unlearn.progress import Progress, Report
from unlearn.runs.drawn_sentences import drawn_note
from unlearn.runs.many_persons import MOST_ALONE, many_summary, outcomes
from unlearn.runs.metrics import Metrics, Similarities
from unlearn.runs.sentences import findings, remapping, verdict_sentence, verdict_summary

DASH = "-"  # not measured
ENCODERS = {"text": "CLIP's text encoder", "diffusion_text": "Stable Diffusion's text encoder", "image": "image encoder"}


@contextmanager
def progress_bar() -> Iterator[Report]:
    """A `Report` that draws a bar on stderr; without a terminal it prints a line when the stage changes."""
    if not sys.stderr.isatty():
        yield _LineReport()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.percentage:3.0f} %"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=1)

        def report(progress: Progress) -> None:
            bar.update(task, completed=progress.step, total=progress.total, description=progress.note)

        yield report


class _LineReport:
    def __init__(self) -> None:
        self._stage = ""

    def __call__(self, progress: Progress) -> None:
        stage = progress.note.partition(",")[0]
        if stage and stage != self._stage:
            self._stage = stage
            print(f"{100 * progress.step / max(1, progress.total):3.0f} %  {stage}", file=sys.stderr, flush=True)


def print_json(content: object) -> None:
    """One JSON value on stdout, and nothing else."""
    print(json.dumps(content, ensure_ascii=False, indent=2))


def print_error(message: str) -> None:
    """One line on stderr."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr)


def table(rows: Sequence[Sequence[Any]], head: Sequence[str]) -> str:
    """Columns padded to their widest cell; None is a dash."""
    cells = [list(head), *([DASH if cell is None else str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def verdict(recognised: bool | None, correct_templates: int | None, is_drawn: bool = False) -> str:
    """The attack's outcome in words; `is_drawn`: on portraits in the place of photos."""
    if recognised is None:
        return "not attacked (no photos, or too few)"
    pictures = f", on portraits {DRAWN}" if is_drawn else ""
    return f"{'recognised' if recognised else 'not recognised'}, {correct_templates} of 21 templates{pictures}"


def not_attacked(person: Person, idia: IdiaConfig, photos: Path | None, known: Sequence[dict[str, Any]]) -> str:
    """Why one person was not attacked, and what to do.

    Args:
        person: who should have been.
        idia: the attack, with the number of photos that it asked for.
        photos: a folder that was given.
        known: rows {name, aliases} of people whose photos the model set has.
    """
    if photos is not None:
        return f"not attacked: too few photos were given; give {idia.min_images} or more, better {idia.n_images}."
    names = {name_key(name) for person in known for name in (person["name"], *person["aliases"])}
    if name_key(person.name) not in names:
        return "not attacked: no photos of this person are known; give some with --photos FOLDER."
    return f"not attacked: the model set has fewer than {idia.n_images} photos of this person; lower --images."


def percent(share: float | None, decimals: int = 1) -> str:
    """A share in percent; None is a dash."""
    return DASH if share is None else f"{100 * share:.{decimals}f} %"


def print_metrics(metrics: Metrics, config: ForgetConfig) -> None:
    """The summary of a run."""
    head = ("", "original", "defended", "never met")
    n_columns = len(head) - all(person.never_met_model is None for person in metrics.persons)
    if len(metrics.persons) > MOST_ALONE:
        _print_many(metrics)
    else:
        _print_each(metrics, config)
    print(*(line for line in (drawn_note(metrics.drawn_photos), f"{remapping(config)}.") if line), sep="\n")
    people, utility = metrics.bystanders, metrics.utility
    numbers: list[tuple[str | None, ...]] = [
        ("things named right (top 1)", percent(utility.top1_original), percent(utility.top1_defended), None),
        ("things named right (top 5)", percent(utility.top5_original), percent(utility.top5_defended), None),
    ]
    if people.n:
        counts = (people.recognised_original, people.recognised_defended, people.recognised_never_met)
        numbers.insert(0, ("bystanders recognised", *(None if count is None else f"{count} of {people.n}" for count in counts)))
    numbers += [(*row, None) for row in accuracy_rows(metrics.zero_shot)]
    print("\n" + table([row[:n_columns] for row in numbers], head[:n_columns]))
    print("\n" + _similarities(metrics))
    if metrics.image is not None:
        print("faces: " + _similarities(metrics.image))
    print(*(f"{finding.title}: {finding.sentence}" for finding in findings(metrics)), sep="\n")
    print(f"fine-tuning {_seconds(metrics.seconds.fine_tune)}, in all {_seconds(metrics.seconds.total)}")
    for encoder, tuning in metrics.fine_tuning.items():
        print(f"  {ENCODERS.get(encoder, encoder)}: {tuning.n_steps_done} steps ({tuning.stopped})")
    for warning in metrics.warnings:
        print(warning)


def accuracy_rows(accuracies: Sequence[DataSetAccuracy]) -> list[tuple[str, str, str]]:
    """Top-1 and top-5 on each data set."""
    return [
        (f"{one.data_set} (top {k}, {one.n_images:,} pictures)", percent(before, 2), percent(after, 2))
        for one in accuracies
        for k, before, after in ((1, one.top1_original, one.top1_defended), (5, one.top5_original, one.top5_defended))
    ]


def _print_each(metrics: Metrics, config: ForgetConfig) -> None:
    """A few persons, with their verdicts in sentences."""
    rows = []
    for person in metrics.persons:
        sides = (person.idia.original, person.idia.defended)
        row = [person.name, *(verdict(side.recognised, side.correct_templates, side.is_drawn) for side in sides)]
        third = person.never_met_model
        rows.append([*row, None if third is None else verdict(third.recognised, third.correct_templates)])
    head = ("person", "original", "defended", "never met")
    n_columns = len(head) if any(person.never_met_model is not None for person in metrics.persons) else len(head) - 1
    print(table([row[:n_columns] for row in rows], head[:n_columns]))
    sentences = [verdict_sentence(person.name, person.idia, config) for person in metrics.persons]
    print("\n" + (verdict_summary(metrics.persons) or " ".join(sentences)))


def _print_many(metrics: Metrics) -> None:
    """Many persons: a row each, and one summary."""
    rows = outcomes(metrics.persons)
    ranks = [None if row.rank.original is None else f"{row.rank.original:,.0f} -> {row.rank.defended:,.0f}" for row in rows]
    cells = [(row.name, row.templates.original, row.templates.defended, row.verdict, rank) for row, rank in zip(rows, ranks, strict=True)]
    head = ("person", "templates before", "after", "verdict", "rank")
    n_columns = len(head) if any(rank is not None for rank in ranks) else len(head) - 1
    print(table([row[:n_columns] for row in cells], head[:n_columns]))
    print("\n" + many_summary(rows))


def _similarities(similarities: Similarities) -> str:
    values = {name: getattr(similarities, name) for name in ("sim_clean", "sim_backdoor", "sim_target")}
    counted = f"  (over {similarities.n_captions:,} captions)" if similarities.n_captions is not None else ""
    return "  ".join(f"{name} {DASH if value is None else format(value, '.3f')}" for name, value in values.items()) + counted


def _seconds(value: float | None) -> str:
    return DASH if value is None else f"{value:.1f} s"
