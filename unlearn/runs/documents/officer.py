"""The report for a data-protection officer: from a run and the details of the request to data, to a page that prints on A4, and to JSON."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Any

from unlearn.errors import InputError
from unlearn.runs.defended_files import defended_files
from unlearn.runs.documents import wording
from unlearn.runs.documents.content import FileHash, Hash, OfficerReport, PersonRow, Request, RunFacts
from unlearn.runs.documents.details import RETEST_MONTHS, Details, months_later
from unlearn.runs.documents.evidence import evidence, n_templates, named
from unlearn.runs.documents.naming import Naming, begun
from unlearn.runs.documents.others import bystanders, namesakes
from unlearn.runs.documents.pages import rendered
from unlearn.runs.documents.pictures import pairs
from unlearn.runs.documents.tried import not_tried, tried, tried_summary, undoing
from unlearn.runs.drawn_sentences import drawn_note
from unlearn.runs.json_types import to_json
from unlearn.runs.many_persons import MOST_ALONE, UNKNOWN, many_summary, outcomes
from unlearn.runs.records import AttackRecord, Verdict
from unlearn.runs.recovery_sentences import success_sentence
from unlearn.runs.results import Run
from unlearn.runs.sentences import Finding, findings, remapping, verdict_sentence


def officer_html(run: Run, details: Details, today: date | None = None) -> str:
    """The report as one page that stands alone, its pictures inside.

    Raises:
        InputError: the details do not fit the run, or a file of it is missing.
    """
    naming = Naming(run.config, details)
    report = officer_report(run, details, today)
    return rendered("officer.html", report=report, is_many=len(report.persons) > MOST_ALONE, pictures=pairs(run, naming))


def officer_json(run: Run, details: Details, today: date | None = None) -> dict[str, Any]:
    """The same without pictures, as plain values."""
    content: dict[str, Any] = to_json(officer_report(run, details, today))
    return content


def officer_report(run: Run, details: Details, today: date | None = None) -> OfficerReport:
    """The content of the report.

    Raises:
        InputError: the details do not fit the run.
    """
    naming, metrics, config = Naming(run.config, details), run.metrics, run.config
    rows = _persons(run, naming)
    return OfficerReport(
        title=wording.TITLE,
        statement=wording.STATEMENTS[config.encoder],
        summary=_summary(run, naming),
        is_named=naming.is_shown,
        request=_request(details, naming),
        run=_facts(run, details, today or date.today()),
        persons=rows,
        done=_done(run, naming),
        not_done=_not_done(config.encoder),
        evidence=evidence(run, naming),
        interval=wording.INTERVAL,
        findings=tuple(Finding(naming.cleaned(one.title), naming.cleaned(one.sentence)) for one in findings(metrics)),
        bystanders=bystanders(run, naming),
        namesakes=namesakes(run),
        tried=tried(run.recovery),
        success=success_sentence(run.recovery.success),
        not_tried=not_tried(run.recovery, len(config.persons)),
        undoing=undoing(run.recovery, naming),
        hashes=_hashes(run),
        files=tuple(FileHash(file, sha256) for file, sha256 in defended_files(run.folder).items()),
        law=wording.LAW,
        warnings=tuple(naming.cleaned(warning) for warning in metrics.warnings),
    )


def made_on(run: Run) -> date:
    """The day of the run, in UTC; today for a run that does not say when it was made.

    Raises:
        InputError: its manifest says something else.
    """
    try:
        return datetime.fromisoformat(run.manifest.created).date() if run.manifest.created else date.today()
    except ValueError as error:
        raise InputError("manifest.json of the run is damaged (created is no time); run it again.") from error


def retest_on(run: Run, details: Details) -> date:
    """When the run is to be tested again.

    Raises:
        InputError: that day is before the run.
    """
    made = made_on(run)
    retest = details.retest or months_later(made, RETEST_MONTHS)
    if retest < made:
        raise InputError(f"The retest date {retest} is before the run of {made}; give a later one.")
    return retest


def set_title(model_set: str) -> str:
    """The name of a model set without the folders that it lies in."""
    return model_set.rstrip("/").rpartition("/")[2]


def _facts(run: Run, details: Details, today: date) -> RunFacts:
    title = set_title(run.manifest.model_set or run.config.model_set)
    return RunFacts(
        made_on(run).isoformat(), today.isoformat(), retest_on(run, details).isoformat(), title, run.config.seed, run.manifest.device
    )


def _request(details: Details, naming: Naming) -> Request:
    received = None if details.request_date is None else details.request_date.isoformat()
    return Request(naming.cleaned(details.request_number), received, naming.cleaned(details.role))


def _persons(run: Run, naming: Naming) -> tuple[PersonRow, ...]:
    records, found = dict(enumerate(run.idia.persons)), dict(enumerate(outcomes(run.metrics.persons)))
    nobody = AttackRecord(Verdict(), Verdict(), "")
    rows = []
    for number in range(len(run.config.persons)):
        record, outcome = records.get(number, nobody), found.get(number, UNKNOWN)
        sides = named(record, n_templates(record))
        verdict = (outcome.verdict, outcome.is_forgotten, outcome.rank)
        rows.append(PersonRow(sides.original, sides.defended, begun(naming.of(number)), *verdict))
    return tuple(rows)


def _summary(run: Run, naming: Naming) -> str:
    people, note = run.metrics.persons, drawn_note(run.metrics.drawn_photos)
    if len(people) > MOST_ALONE:
        verdicts = [many_summary([replace(row, name=naming.of(number)) for number, row in enumerate(outcomes(people))])]
    else:
        verdicts = [begun(verdict_sentence(naming.of(number), person.idia, run.config)) for number, person in enumerate(people)]
    who = naming.of(0) if len(people) == 1 else wording.SOMEBODY
    return " ".join(part for part in (*verdicts, note, tried_summary(run.recovery, who)) if part)


def _done(run: Run, naming: Naming) -> tuple[str, ...]:
    persons = run.config.persons
    n_aliases = sum(len(person.aliases) for person in persons)
    also = wording.ALSO_NAMED.format(who=naming.of(0) if len(persons) == 1 else wording.THESE_PERSONS, n=n_aliases)
    return (f"{remapping(run.config)}.", *([also] if n_aliases else []), wording.NEW_FILE)


def _not_done(encoder: str) -> tuple[str, ...]:
    left = {"text": [wording.IMAGE_ENCODER], "image": [wording.TEXT_ENCODERS], "both": []}[encoder]
    return (wording.TRAINING_DATA, wording.U_NET, *left, wording.COPIES, wording.OTHER_MODELS)


def _hashes(run: Run) -> tuple[Hash, ...]:
    text, image = run.metrics.weights, run.metrics.image
    rows = [Hash(text.original, text.defended, wording.TEXT_ENCODER)]
    if image is not None:
        rows.append(Hash(image.weights.original, image.weights.defended, wording.IMAGE_WEIGHTS))
    return tuple(row for row in rows if row.original is not None or row.defended is not None)

