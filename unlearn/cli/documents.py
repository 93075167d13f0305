"""The commands that write what is handed on of a run: report for a data-protection officer, answer to the person, share card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unlearn.cli.console import print_json
from unlearn.cli.options import AsJson, RunFolder, required
from unlearn.errors import ConfigError

Out = Annotated[Path | None, typer.Option(help="The file to write.")]
WithName = Annotated[bool, typer.Option("--with-name/--redact", help="Show names and what real people look like; left out: withheld.")]
PersonNumber = Annotated[int, typer.Option(help="Number of the person in the run, from 0, for the letter and the card.")]


def report(
    run: RunFolder = None,
    out: Out = None,
    with_name: WithName = False,
    request_number: Annotated[str, typer.Option(help="Of your own files; left out: a blank to fill in by hand.")] = "",
    request_date: Annotated[str, typer.Option(help="When the request came in, as 2026-11-20.")] = "",
    role: Annotated[str, typer.Option(help="Who asked, such as 'the person' or 'a lawyer'.")] = "",
    retest: Annotated[str, typer.Option(help="When it is to be tested again, as 2027-05-28; left out: six months after the run.")] = "",
    letter: Annotated[bool, typer.Option("--letter", help="The answer to the person instead; as text where FILE ends in .txt.")] = False,
    person: PersonNumber = 0,
    full: Annotated[bool, typer.Option("--full", help="All results in one page instead, with names.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the report for a data-protection officer: one HTML file that prints on A4. With --json it is printed as JSON."""
    from unlearn.runs.documents.details import details_of
    from unlearn.runs.documents.letter import letter_html, letter_text
    from unlearn.runs.documents.officer import officer_html, officer_json
    from unlearn.runs.results import finished_run

    if letter and (full or as_json):
        raise ConfigError("--letter is a document of its own; leave out --full and --json.")
    finished = finished_run(required(run, "--run"))
    if full:
        return _write_all(finished.folder, out, as_json)
    texts = {"request_number": request_number, "request_date": request_date, "role": role, "retest": retest}
    details = details_of({**texts, "with_name": with_name, "person": person})
    if as_json:
        return print_json(officer_json(finished, details))
    target = required(out, "--out")
    write = officer_html if not letter else letter_text if target.suffix == ".txt" else letter_html
    _write(target, write(finished, details).encode())


def card(run: RunFolder = None, out: Out = None, with_name: WithName = False, person: PersonNumber = 0) -> None:
    """Draw the share card of a run: portraits before and after, verdict, hash; a PNG of 1200 x 630 px."""
    from unlearn.runs.documents.card import card_png
    from unlearn.runs.documents.details import details_of
    from unlearn.runs.results import finished_run

    finished, target = finished_run(required(run, "--run")), required(out, "--out")
    _write(target, card_png(finished, details_of({"with_name": with_name, "person": person})))


def _write_all(folder: Path, out: Path | None, as_json: bool) -> None:
    from unlearn.runs.report import report_html, run_json, write_report

    if as_json:
        return print_json(run_json(folder))
    if out is None:
        return print(f"Written to {write_report(folder)}.")
    _write(out, report_html(folder).encode())


def _write(target: Path, content: bytes) -> None:
    from unlearn.files import disk_errors

    with disk_errors(str(target)):
        target.write_bytes(content)
    print(f"Written to {target}.")
