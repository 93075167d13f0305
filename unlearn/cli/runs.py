"""The commands that look at a finished run, and those that measure the program itself; the others are in `cli.app`.

Options -> calls of `runs.questions`, `report`, `bench` and `evaluation.names` -> tables or JSON. Heavy imports happen inside.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from unlearn.cli.console import percent, print_json, progress_bar, table
from unlearn.cli.faces import evaluate_faces_of
from unlearn.config import PortraitConfig, Settings, numbered_seeds
from unlearn.errors import InputError

if TYPE_CHECKING:
    from unlearn.photos.faces import FaceSet

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else.")]
RunFolder = Annotated[Path | None, typer.Option("--run", help="A run folder, as `forget --out` wrote it.")]
OutFile = Annotated[Path | None, typer.Option("--out", help="Also write the JSON to this file.")]
Texts = Annotated[list[str] | None, typer.Option(help="May be given several times.")]
Chooser = Callable[[str | None, Settings], str]


def register(app: typer.Typer, settings: Callable[[], Settings], choose_set: Chooser) -> None:
    """Add the commands of this module to the command line.

    Args:
        app: the command line.
        settings: those of the options before the command.
        choose_set: turns the option --set into the name of a set.
    """
    _register_run_commands(app, settings)
    _register_faces(app, settings)

    @app.command()
    def bench(
        points: Annotated[str, typer.Option(help="Which points: letters out of abcdefghij.")] = "abcdefghij",
        model_set: Annotated[str, typer.Option("--set", help="Model set of the points d to g and j.")] = "embedded",
        quick: Annotated[bool, typer.Option("--quick", help="Smaller batches and fewer names: a first look.")] = False,
        out: OutFile = None,
    ) -> None:
        """Measure speed and memory against the paper's algorithm written literally; prints JSON."""
        from unlearn.bench.points import run_bench
        from unlearn.bench.timing import BenchConfig
        from unlearn.files import check_writable, write_json

        if out is not None:
            check_writable(out)
        config = BenchConfig(points, choose_set(model_set, settings()))
        if quick:
            config = replace(config, batch_size=8, n_steps=2, n_names=20, n_paper_steps=4)
        results = run_bench(config, settings(), lambda text: print(text, file=sys.stderr, flush=True))
        if out is not None:
            write_json(out, results)
        print_json(results)

    @app.command()
    def evaluate(
        model_set: Annotated[str, typer.Option("--set", help="A model set whose members are known.")] = "embedded",
        neutral_term: Texts = None,
        at_once: Annotated[list[int] | None, typer.Option(help="Persons forgotten together; several times.")] = None,
        seeds: Annotated[int, typer.Option(help="How many seeds of the fine-tuning.")] = 1,
        members: Annotated[int | None, typer.Option(min=1, help="Only so many members one at a time, in random order.")] = None,
        singles_only: Annotated[bool, typer.Option("--singles-only", help="Nobody is forgotten together with others.")] = False,
        finished_only: Annotated[bool, typer.Option("--finished-only", help="Print what is finished; compute no further row.")] = False,
        faces: Annotated[Path | None, typer.Option(help="Forget faces instead: folders of `python -m assets.build.photos`.")] = None,
        kind: Annotated[list[str] | None, typer.Option(help="With --faces: ours, paper or both; several times.")] = None,
        out: OutFile = None,
        as_json: AsJson = False,
    ) -> None:
        """Forget every member of a set, one at a time and many at once, and print tables beside the paper's figures.

        Takes hours for a whole set; what was finished is kept, and the next call goes on there.
        """
        if faces is not None:
            given = {"n_at_once": tuple(at_once or ()), "kinds": tuple(kind or ())}
            chosen = {name: value for name, value in given.items() if value}
            return evaluate_faces_of(choose_set(model_set, settings()), faces, seeds, chosen, (settings(), finished_only, out, as_json))
        from unlearn.evaluation.names import EvaluationConfig
        from unlearn.evaluation.names import evaluate as run_evaluation
        from unlearn.evaluation.tables import tables

        config = EvaluationConfig(choose_set(model_set, settings()), seeds=numbered_seeds(seeds, "--seeds"), n_members=members)
        if neutral_term:
            config = replace(config, neutral_terms=tuple(neutral_term))
        if at_once or singles_only:
            config = replace(config, n_at_once=() if singles_only else tuple(at_once or ()))
        with progress_bar() as report:
            result = run_evaluation(config, settings(), report, out, finished_only)
        print_json(result) if as_json else print(tables(result))


def _register_run_commands(app: typer.Typer, settings: Callable[[], Settings]) -> None:
    @app.command()
    def portraits(
        run: RunFolder = None,
        prompt: Texts = None,
        seeds: Annotated[int, typer.Option(help="How many seeds.")] = 1,
        out: Annotated[Path | None, typer.Option(help="Folder for the pictures.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """Draw prompts with the original and the defended model of a run, with equal seeds."""
        from unlearn.runs import questions
        from unlearn.runs.folder import read_config

        folder, target = _given(run, "--run"), _given(out, "--out")
        chosen: PortraitConfig | None = read_config(folder).portraits
        config = replace(chosen or PortraitConfig(), seeds=numbered_seeds(seeds, "--seeds"))
        with progress_bar() as report:
            drawn = questions.portraits(
                settings(), folder, questions.PortraitRequest(tuple(prompt or ()), config), report
            )
        rows = _write_drawn(target, drawn)
        print_json(rows) if as_json else print(f"{len(rows)} pictures are in {target}.")

    @app.command()
    def predict(
        run: RunFolder = None,
        image: Annotated[Path | None, typer.Option(help="A photo.")] = None,
        label: Texts = None,
        as_json: AsJson = False,
    ) -> None:
        """What original and defended model take a photo for: zero-shot shares over the labels."""
        from unlearn.runs import questions

        row = questions.predict(settings(), _given(run, "--run"), _given(image, "--image"), label or [])
        if as_json:
            return print_json(row)
        rows = zip(row["labels"], map(percent, row["original"]), map(percent, row["defended"]), strict=True)
        print(table(list(rows), ("label", "original", "defended")))

    @app.command()
    def probe(run: RunFolder = None, text: Texts = None, as_json: AsJson = False) -> None:
        """What synonyms, misspellings or other texts mean to the models of a run, before and after."""
        from unlearn.runs import questions

        rows = questions.probe(settings(), _given(run, "--run"), text or [])
        if as_json:
            return print_json(rows)
        shown = [
            (row["text"], f"{row['similarity']:.3f}", *(row[side][key] for side in ("original", "defended") for key in _SHOWN))
            for row in rows
        ]  # fmt: skip
        print(table(shown, ("text", "unchanged", *(f"{side}: {key}" for side in ("original", "defended") for key in _SHOWN))))

    @app.command()
    def report(
        run: RunFolder = None,
        out: Annotated[Path | None, typer.Option(help="HTML file; left out: report.html in the run folder.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """Write a run as one HTML page that stands alone, or print it as JSON."""
        from unlearn.files import disk_errors
        from unlearn.runs.folder import read_config
        from unlearn.runs.report import report_html, run_json, write_report

        folder = _given(run, "--run")
        read_config(folder)  # an unfinished run has no report
        if as_json:
            return print_json(run_json(folder))
        if out is None:
            return print(f"Written to {write_report(folder)}.")
        with disk_errors(str(out)):
            out.write_text(report_html(folder), "utf-8")
        print(f"Written to {out}.")


def _register_faces(app: typer.Typer, settings: Callable[[], Settings]) -> None:
    @app.command()
    def faces(
        folder: Annotated[Path, typer.Argument(help="A folder or zip of photos of one person, or a prepared face set.")],
        detector: Annotated[
            str, typer.Option(help="auto: for each photo; insightface, cascade; or crops: all are face crops already.")
        ] = "auto",
        pack: Annotated[str, typer.Option(help="InsightFace pack; never downloaded by this program.")] = "buffalo_l",
        root: Annotated[Path | None, typer.Option(help="Folder with models/PACK (default: ~/.insightface).")] = None,
        evaluation: Annotated[int | None, typer.Option(help="Photos kept for evaluation (default: 40 %, at most 20).")] = None,
        pick: Annotated[list[str] | None, typer.Option(help="PHOTO=FACE, e.g. 3=2: which face of a photo; several times.")] = None,
        seed: Annotated[int, typer.Option(help="Draws the split into fine-tuning and evaluation.")] = 0,
        out: Annotated[Path | None, typer.Option(help="Save crops and split here, for `forget --faces`.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """Report photo by photo what would be used of a person's photos: the face, or why not, and the split."""
        from unlearn.photos.faces import FaceConfig, open_faces, save_face_set

        if not folder.exists():
            raise InputError("The folder of photos does not exist; check the path.")
        config = FaceConfig(cast(Any, detector), pack, root, n_evaluation=evaluation, seed=seed)
        with progress_bar() as report:
            found = open_faces(folder, config, settings(), dict(map(_pick, pick or ())), report)
        if out is not None:
            save_face_set(found, out)
        if as_json:
            return print_json(found.summary())
        _print_faces(found)


def _pick(text: str) -> tuple[int, int]:
    photo, _, face = text.partition("=")
    if not (photo.isdecimal() and face.isdecimal()):
        raise InputError(f"--pick is {text!r}; write PHOTO=FACE, such as 3=2.")
    return int(photo), int(face)


def _print_faces(found: FaceSet) -> None:
    rows = [
        (photo.number, photo.status, (found.part_of(photo.number) or "").replace("_", "-"), photo.message)
        for photo in found.photos
    ]
    print(table(rows, ("photo", "status", "used for", "what became of it")))
    counts = f"{len(found.fine_tuning)} for fine-tuning, {len(found.evaluation)} for evaluation"
    print(f"\nFound by: {found.finder}. Usable: {len(found.usable)} of {len(found.photos)} photos, {counts}.")
    for line in filter(None, (found.split_note, *found.warnings)):
        print(line)


_SHOWN = ("correct_templates", "nearest")


def _given(path: Path | None, option: str) -> Path:
    if path is None:
        raise InputError(f"{option} is missing.")
    return path


def _write_drawn(target: Path, drawn: list[Any]) -> list[dict[str, Any]]:
    """PNG files, numbered by prompt, and index.json."""
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
