"""The commands that ask a finished run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unlearn.cli.console import percent, print_json, progress_bar, table
from unlearn.cli.options import AsJson, RunFolder, Texts, required, settings_of
from unlearn.config import PortraitConfig, numbered_seeds

if TYPE_CHECKING:
    from unlearn.runs.portraits import Portrait

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

    folder, target = required(run, "--run"), required(out, "--out")
    config = replace(finished_run(folder).config.portraits or PortraitConfig(), seeds=numbered_seeds(seeds, "--seeds"))
    with progress_bar() as report:
        drawn = questions.portraits(settings_of(context), folder, questions.PortraitRequest(tuple(prompt or ()), config), report)
    rows = _write_pictures(target, drawn)
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


def probe(context: typer.Context, run: RunFolder = None, text: Texts = None, as_json: AsJson = False) -> None:
    """What synonyms, misspellings or other texts mean to the models of a run, before and after."""
    from unlearn.runs import questions

    rows = questions.probe(settings_of(context), required(run, "--run"), text or [])
    if as_json:
        return print_json(rows)
    columns = [(side, key) for side in SIDES for key in PROBE_COLUMNS]
    cells = [(row["text"], f"{row['similarity']:.3f}", *(row[side][key] for side, key in columns)) for row in rows]
    print(table(cells, ("text", "unchanged", *(f"{side}: {key}" for side, key in columns))))


def _write_pictures(target: Path, drawn: Sequence[Portrait]) -> list[dict[str, Any]]:
    """PNG files, numbered by prompt, and index.json, whose rows are returned."""
    from unlearn.files import disk_errors, write_json
    from unlearn.runs.portraits import write_png

    prompts = list(dict.fromkeys(portrait.prompt for portrait in drawn))
    rows = []
    with disk_errors(str(target)):
        target.mkdir(parents=True, exist_ok=True)
    for portrait in drawn:
        file = f"{prompts.index(portrait.prompt):02d}-{portrait.model}-s{portrait.seed}.png"
        write_png(target / file, portrait.image)
        rows.append(
            {
                "file": file, "prompt": portrait.prompt, "model": portrait.model, "seed": portrait.seed,
                "weights_hash": portrait.weights_hash,
            }
        )  # fmt: skip
    write_json(target / "index.json", rows)
    return rows
