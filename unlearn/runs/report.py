"""A run as one HTML page that stands alone, and as one JSON object; both from the run's results.

The page has its pictures inside (data URIs), no script and no request to anybody. Every text that came from a user
is escaped by the template engine. Computes nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unlearn.attacks.figures import DRAWN
from unlearn.config import Person
from unlearn.config.stand_ins import without_stand_ins
from unlearn.files import disk_errors
from unlearn.runs.drawn_sentences import drawn_note
from unlearn.runs.embedded_pictures import embedded
from unlearn.runs.json_types import to_json
from unlearn.runs.many_persons import persons_summary
from unlearn.runs.records import AttackRecord, BeforeAfter, LossRow, ProbeRow, Verdict
from unlearn.runs.reported_dial import ReportedDial, reported_dial
from unlearn.runs.reported_film import reported_film
from unlearn.runs.reported_opponent import ReportedOpponent, reported_hearing, reported_opponent
from unlearn.runs.results import PORTRAITS, Results, read_results
from unlearn.runs.sentences import (
    NO_THIRD_PORTRAIT,
    THIRD_COLUMN,
    findings,
    remapping,
    third_bystanders,
    third_verdict,
    verdict_sentence,
)

TEMPLATES = Path(__file__).resolve().parent / "templates"
REPORT_NAME = "report.html"
N_PREDICTED = 5  # labels shown per photo and model
SIMILARITIES = {
    "sim_clean": "unrelated captions: original to defended",
    "sim_backdoor": "the name to its target, defended",
    "sim_target": "the target: original to defended",
}
IMAGE_SIMILARITIES = {
    "sim_clean": "pictures without the face: original to defended",
    "sim_backdoor": "photos of the person to their target, defended",
    "sim_target": "faces of other people: original to defended",
}


def run_json(run: Path) -> dict[str, Any]:
    """All results of a run by the names of their files; pictures are named by their files. Stand-ins are left out: a report is handed on.

    Raises:
        InputError: there are no results, or a file of them is damaged.
    """
    content = {part: to_json(value) for part, value in vars(read_results(run)).items()}
    return {**content, "config": without_stand_ins(content["config"])}


def write_report(run: Path) -> Path:
    """Write `report.html` into the run folder and return its path."""
    target = run / REPORT_NAME
    page = report_html(run)
    with disk_errors(str(target)):
        partial = run / f".{REPORT_NAME}.part"
        partial.write_text(page, "utf-8")
        os.replace(partial, target)
    return target


def report_html(run: Path) -> str:
    """The page of a run.

    Raises:
        InputError: there are no results, or a file of them is damaged or missing.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    results = read_results(run)
    config, metrics = results.config, results.metrics
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    environment.filters.update(percent=_percent, number=_number, embedded=embedded)
    return environment.get_template("report.html").render(
        config=config,
        config_json=json.dumps(without_stand_ins(to_json(config)), ensure_ascii=False, indent=2),
        metrics=metrics,
        image=metrics.image,
        persons=[_reported(number, results, run) for number in range(len(config.persons))],
        remapping=remapping(config),
        summary=persons_summary(metrics.persons),
        drawn_note=drawn_note(metrics.drawn_photos),
        drawn=DRAWN,
        third=f"{THIRD_COLUMN} {NO_THIRD_PORTRAIT}" if any(person.never_met_model for person in metrics.persons) else "",
        findings=findings(metrics),
        film=reported_film(results, run),
        bystanders=results.bystanders,
        third_bystanders=third_bystanders(metrics),
        meanings=SIMILARITIES,
        image_meanings=IMAGE_SIMILARITIES,
        seconds=vars(metrics.seconds),
        curves=[(title, what, curve) for encoder, title, what in _CURVES if (curve := _curve(results.losses, encoder))],
    )


@dataclass(frozen=True)
class ReportedPhoto:
    """A photo and its likeliest labels; `image` is a data URI, empty for a user's photo, which is not kept.

    `never_met`: the labels by a model that never met the person, where there is one.
    """

    image: str
    shares: BeforeAfter[list[tuple[str, float]]]
    never_met: list[tuple[str, float]] | None


@dataclass(frozen=True)
class ReportedPerson:
    """What the page shows of one person; portraits are data URIs by "original_name", "defended_neutral"... and the seed."""

    person: Person
    verdict: str
    idia: AttackRecord
    portraits: list[dict[str, Any]]
    probes: list[ProbeRow]
    photos: list[ReportedPhoto]
    hearing: str
    opponent: ReportedOpponent
    dial: ReportedDial | None


def _reported(number: int, results: Results, run: Path) -> ReportedPerson:
    person, attacks = results.config.persons[number], results.idia.persons
    entries = [entry for entry in results.portraits if entry.person_index == number]
    portraits = [
        {f"{e.model}_{e.prompt}": embedded(run / PORTRAITS / e.file) for e in entries if e.seed == seed} | {"seed": seed}
        for seed in dict.fromkeys(entry.seed for entry in entries)
    ]
    photos = [
        ReportedPhoto(
            embedded(run / row.photo) if row.photo else "", BeforeAfter(_top(row.labels, row.original), _top(row.labels, row.defended)),
            None if row.never_met is None else _top(row.labels, row.never_met),
        )
        for row in results.predictions if row.person_index == number
    ]  # fmt: skip
    record = attacks[number] if number < len(attacks) else AttackRecord(Verdict(), Verdict(), person.name)
    probes = [row for row in results.probes if row.person_index == number]
    verdict = verdict_sentence(person.name, record, results.config)
    if record.never_met is not None:
        verdict += f" {third_verdict(person.name, record.never_met)}"
    return ReportedPerson(
        person, verdict, record, portraits, probes, photos,
        reported_hearing(results.heard, person.name, number), reported_opponent(results.recovery, person.name, number),
        reported_dial(results.dial, number, run),
    )  # fmt: skip


def _top(labels: Sequence[str], shares: Sequence[float]) -> list[tuple[str, float]]:
    return sorted(zip(labels, shares, strict=True), key=lambda pair: -pair[1])[:N_PREDICTED]


_CURVES = (
    ("text", "CLIP's text encoder", ("captions with the name to their target", "clean captions")),
    ("diffusion_text", "Stable Diffusion's text encoder", ("captions with the name to their target", "clean captions")),
    ("image", "image encoder", ("images with the face to their target", "clean images")),
)


def _curve(losses: Sequence[LossRow], encoder: str) -> dict[str, str] | None:
    """Points of the clean and trigger losses (cosine distances 0 to 1) in a 100 x 40 drawing; None without steps.

    An encoder that only a diffusion model uses has the losses of its hidden states.
    """
    prefix, points = "hidden_" if encoder == "diffusion_text" else "", {}
    for name in ("clean", "backdoor"):
        losses_of = [getattr(row, f"{prefix}{name}") for row in losses if row.encoder == encoder]
        values = [min(1.0, max(0.0, 1.0 + loss)) for loss in losses_of if loss is not None]
        if len(values) < 2:
            return None
        last = len(values) - 1
        points[name] = " ".join(f"{100 * i / last:.2f},{40 - 40 * value:.2f}" for i, value in enumerate(values))
    return points


def _percent(share: float | None, decimals: int = 1) -> str:
    return "–" if share is None else f"{100 * share:.{decimals}f} %"


def _number(value: float | None, decimals: int = 3) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"
