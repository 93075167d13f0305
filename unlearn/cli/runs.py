"""The commands that ask a finished run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unlearn.cli.console import accuracy_rows, percent, print_json, progress_bar, table
from unlearn.cli.options import AsJson, RunFolder, Texts, required, settings_of
from unlearn.config import PortraitConfig, numbered_seeds
from unlearn.config.zero_shot import DATA_SETS, written_sources
from unlearn.errors import InputError

if TYPE_CHECKING:
    from unlearn.runs.portraits import Portrait
    from unlearn.runs.stamps import Stamp

SIDES = ("original", "defended")
PROBE_COLUMNS = ("correct_templates", "nearest")


def portraits(
    context: typer.Context,
    run: RunFolder = None,
    prompt: Texts = None,
    seeds: Annotated[int, typer.Option(help="How many seeds.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Folder for the pictures.")] = None,
    as_json: AsJson = False,
) -> None:
    """Draw prompts with the original and the defended model of a run, with equal seeds."""
    from unlearn.runs import questions
    from unlearn.runs.results import finished_run
    from unlearn.runs.seal import stamp_of

    folder, target = required(run, "--run"), required(out, "--out")
    config = replace(finished_run(folder).config.portraits or PortraitConfig(), seeds=numbered_seeds(seeds, "--seeds"))
    with progress_bar() as report:
        drawn = questions.portraits(settings_of(context), folder, questions.PortraitRequest(tuple(prompt or ()), config), report)
    rows = _write_pictures(target, drawn, stamp_of(folder, drawn))
    print_json(rows) if as_json else print(f"{len(rows)} pictures are in {target}.")


def predict(
    context: typer.Context,
    run: RunFolder = None,
    image: Annotated[Path | None, typer.Option(help="A photo.")] = None,
    label: Texts = None,
    as_json: AsJson = False,
) -> None:
    """What original and defended model take a photo for: zero-shot shares over the labels."""
    from unlearn.runs import questions

    prediction = questions.predict(settings_of(context), required(run, "--run"), required(image, "--image"), label or [])
    if as_json:
        return print_json(prediction)
    rows = zip(prediction["labels"], *(map(percent, prediction[side]) for side in SIDES), strict=True)
    print(table(list(rows), ("label", *SIDES)))


def accuracy(
    context: typer.Context,
    run: RunFolder = None,
    zero_shot: Annotated[list[str] | None, typer.Option(help="'imagenet-v2=FOLDER' or another published data set; several times.")] = None,
    as_json: AsJson = False,
) -> None:
    """Zero-shot accuracy of a run's original and defended model on published data sets."""
    from unlearn.runs.data_sets import accuracy_of_run
    from unlearn.runs.json_types import to_json

    if not zero_shot:
        raise InputError(f"--zero-shot is missing; give DATA-SET=FOLDER, where the data set is one of {', '.join(DATA_SETS)}.")
    folder, sources = required(run, "--run"), written_sources(zero_shot)
    with progress_bar() as report:
        measured = accuracy_of_run(settings_of(context), folder, sources, report)
    if as_json:
        return print_json([{**to_json(one.accuracy), "warnings": list(one.warnings)} for one in measured])
    print(table(accuracy_rows([one.accuracy for one in measured]), ("", *SIDES)))
    for warning in (line for one in measured for line in one.warnings):
        print(warning)


def probe(context: typer.Context, run: RunFolder = None, text: Texts = None, as_json: AsJson = False) -> None:
    """What synonyms, misspellings or other texts mean to the models of a run, before and after."""
    from unlearn.runs import questions

    rows = questions.probe(settings_of(context), required(run, "--run"), text or [])
    if as_json:
        return print_json(rows)
    columns = [(side, key) for side in SIDES for key in PROBE_COLUMNS]
    cells = [(row["text"], f"{row['similarity']:.3f}", *(row[side][key] for side, key in columns)) for row in rows]
    print(table(cells, ("text", "unchanged", *(f"{side}: {key}" for side, key in columns))))


def verify(
    context: typer.Context,
    run: RunFolder = None,
    seed: Annotated[int | None, typer.Option(help="Of the portraits that are drawn again (default: the run's first).")] = None,
    person: Annotated[int, typer.Option(help="Number of the person in the run, from 0.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Hash the weights of a run again, draw a portrait again from them and compare; exit code 1 where something differs."""
    from unlearn.runs import verification
    from unlearn.runs.json_types import to_json
    from unlearn.runs.verification_sentences import picture_words, verification_sentence, weights_words

    with progress_bar() as report:
        told = verification.verify(settings_of(context), required(run, "--run"), seed, person, report)
    if as_json:
        print_json(to_json(told))
    else:
        print(f"sealed at {told.sealed_at}")
        print(*(f"{check.file}: {weights_words(check)}\n  {check.now}" for check in told.weights), sep="\n")
        print(*(f"{check.file}: {picture_words(check)}" for check in told.pictures), verification_sentence(told), sep="\n")
    if not told.is_verified:
        raise typer.Exit(1)


def _write_pictures(target: Path, drawn: Sequence[Portrait], stamp: Stamp | None) -> list[dict[str, Any]]:
    """PNG files, numbered by prompt and stamped, and index.json, whose rows are returned."""
    from unlearn.files import disk_errors, write_json
    from unlearn.runs.portraits import write_png
    from unlearn.runs.seal import chunks_of

    prompts = list(dict.fromkeys(portrait.prompt for portrait in drawn))
    rows = []
    with disk_errors(str(target)):
        target.mkdir(parents=True, exist_ok=True)
    for portrait in drawn:
        file = f"{prompts.index(portrait.prompt):02d}-{portrait.model}-s{portrait.seed}.png"
        write_png(target / file, portrait.image, chunks_of(stamp, portrait))
        rows.append(
            {
                "file": file, "prompt": portrait.prompt, "model": portrait.model, "seed": portrait.seed,
                "weights_hash": portrait.weights_hash,
            }
        )  # fmt: skip
    write_json(target / "index.json", rows)
    return rows
