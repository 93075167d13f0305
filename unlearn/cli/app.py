"""The command line: options -> config, results -> tables or JSON; all work is done by `runs.questions`.

Bad input ends with exit code 2 and one line. torch and its friends are imported by the commands that need them,
so that --help and usage errors come at once.
"""

from __future__ import annotations

import errno
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from unlearn.cli import runs
from unlearn.cli.console import not_attacked, print_error, print_json, print_metrics, progress_bar, table, verdict
from unlearn.cli.faces import adapted_image, faces_by_name
from unlearn.cli.options import adapted, chosen_target, photo_folders, started
from unlearn.config import IdiaConfig, Settings
from unlearn.config.paths import expanded_argument, settle_home
from unlearn.config.written_names import written_person
from unlearn.errors import InputError, UnlearnError
from unlearn.jobs.failures import lack_of_memory
from unlearn.memory import keep_freed_memory

app = typer.Typer(
    help="Make CLIP and Stable Diffusion forget people, and measure whether they did.\n\n"
    "Start with:  python -m unlearn people  and  python -m unlearn forget --name 'First Last' --out runs/first",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

SetName = Annotated[
    str | None,
    typer.Option("--set", help="Model set; `sets` lists them. Left out: sd14 on a GPU with its weights, else embedded."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else.")]
_chosen: dict[str, Any] = {}


@app.callback()
def common(
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N.")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Never ask the network for missing weights.")] = False,
    data_dir: Annotated[Path | None, typer.Option(help="Folder for caches (default: data).")] = None,
    models_dir: Annotated[Path | None, typer.Option(help="Folder searched for weights first.")] = None,
) -> None:
    """Options before the command; they go before environment variables such as UNLEARN_DEVICE."""
    settle_home(data_dir or Path(os.environ.get("UNLEARN_DATA_DIR") or "data"))
    given = {"device": device, "n_threads": threads, "data_dir": data_dir, "models_dir": models_dir}
    _chosen.clear()
    _chosen.update({key: value for key, value in given.items() if value is not None})
    if offline:
        _chosen["offline"] = True


def _settings() -> Settings:
    return replace(Settings.from_environment(), **_chosen)


def _set(name: str | None, settings: Settings) -> str:
    if name is not None:
        from unlearn.models.sets import find_model_set

        find_model_set(name)  # an unknown name is told before anything is imported
        return name
    from unlearn.models.clip import default_model_set

    return default_model_set(settings)


@app.command()
def sets(as_json: AsJson = False) -> None:
    """List the model sets and whether their weights are on this machine."""
    from unlearn.models.activations import resolve_activation
    from unlearn.models.sets import list_model_sets
    from unlearn.models.weights import is_at_hand

    settings = _settings()
    rows = [
        {
            "name": one.name, "title": one.title, "clip": f"{one.clip} {one.weights}".strip() or "of the folder",
            "diffusion": one.diffusion, "at_hand": is_at_hand(one, settings), "activation": resolve_activation(one).name,
        }
        for one in list_model_sets()
    ]  # fmt: skip
    if as_json:
        return print_json(rows)
    shown = [(row["name"], "yes" if row["at_hand"] else "no", row["activation"], row["title"]) for row in rows]
    print(table(shown, ("set", "here", "activation", "what")))
    print("\nAny open_clip model works, too: --set CLIP:TAG or CLIP:FILE.safetensors, +FOLDER for a Stable Diffusion.")
    print(
        "A file does not tell its activation: GELU is taken, QuickGELU with -quickgelu behind the model's name or @quick_gelu behind the "
        "set's; results say so."
    )


@app.command()
def people(model_set: SetName = None, as_json: AsJson = False) -> None:
    """List who is known about a model set: members were in its training data, strangers never."""
    from unlearn.runs import questions

    settings = _settings()
    rows = questions.people(settings, _set(model_set, settings))
    if as_json:
        return print_json(rows)
    shown = [(row["name"], "member" if row["member"] else "stranger", ", ".join(row["aliases"])) for row in rows]
    print(table(shown, ("name", "role", "aliases")) if rows else "Nothing is known about who is in this model set.")


@app.command()
def forget(
    name: Annotated[
        list[str] | None,
        typer.Option(help="Who is forgotten, as 'First Last' or 'First Last|Alias|Alias'; may be given up to 64 times."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder to write; new, or an earlier run to replace.")] = None,
    model_set: SetName = None,
    neutral_term: Annotated[str | None, typer.Option(help="Remap all names to this term instead (with --paper: human).")] = None,
    target: Annotated[
        str | None,
        typer.Option(help="What names are remapped to: stand_in (the default: somebody unknown, one for each person) or neutral_term."),
    ] = None,
    decoys: Annotated[int | None, typer.Option(help="So many unknown names are remapped, too, as a crowd (default: 0).")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the fine-tuning (default: 0).")] = None,
    paper: Annotated[
        bool, typer.Option("--paper", help="The paper's schedule of 400 steps, no early stop, and the neutral term as target.")
    ] = False,
    steps: Annotated[int | None, typer.Option(help="Fewer or more fine-tuning steps.")] = None,
    portrait_seeds: Annotated[int | None, typer.Option(help="How many seeds are drawn.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="A config.json of an earlier run to start from; other options go before what it says.")
    ] = None,
    photos: Annotated[
        list[str] | None, typer.Option(help="'First Last=FOLDER': 20 photos of a person whom the set does not know.")
    ] = None,
    encoder: Annotated[str | None, typer.Option(help="What is defended: text (names), image (faces) or both.")] = None,
    faces: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of about 30 photos, or of a prepared face set; one for each --name, in their order."),
    ] = None,
    image_settings: Annotated[
        list[str] | None,
        typer.Option("--image", help="Setting of the image encoder, as 'n_steps=50' or 'generic_images=FOLDER'; several times."),
    ] = None,
    text_settings: Annotated[
        list[str] | None,
        typer.Option("--text", help="Setting of the text encoder, as 'captions=FILE' or 'early_stop=none'; several times."),
    ] = None,
    portrait_settings: Annotated[
        list[str] | None,
        typer.Option("--portrait", help="Setting of the portraits, as 'guidance_scale=5' or 'seeds=[3, 4]'; several times."),
    ] = None,
    labelled_images: Annotated[
        Path | None,
        typer.Option(help="Folder with one sub-folder a class, named by what it shows: zero-shot accuracy is measured on its photos."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make the encoders forget people: attack, fine-tune, attack again, measure, draw, save."""
    if out is None:
        raise InputError("No run folder given; add --out FOLDER.")
    settings = _settings()
    given: dict[str, Any] = {"neutral_term": neutral_term, "seed": seed, "n_decoys": decoys}
    given["target"] = chosen_target(target, neutral_term, paper)
    given["persons"] = tuple(written_person(one, f"--name {number}") for number, one in enumerate(name, start=1)) if name else None
    given["labelled_images"] = None if labelled_images is None else str(labelled_images)
    given["model_set"] = None if config is not None and model_set is None else _set(model_set, settings)
    chosen = started(config, {field: value for field, value in given.items() if value is not None})
    chosen = adapted(chosen, (paper, steps), portrait_seeds, text_settings or (), portrait_settings or ())
    chosen = adapted_image(chosen, encoder, image_settings or (), (paper, steps))
    folders = photo_folders(photos or ())
    from unlearn.runs import forgetting

    with progress_bar() as report:
        metrics = forgetting.forget(chosen, settings, out, report, folders, faces_by_name(chosen, faces or ()))
    if as_json:
        return print_json(metrics)
    print_metrics(metrics)
    drawn = f"; what was drawn is in {out / 'portraits'}" if (out / "portraits").is_dir() else ""  # nothing without a Stable Diffusion
    print(f"Written to {out}{drawn}.")


@app.command()
def attack(
    name: Annotated[str, typer.Option(help="Whose photos are attacked, and the name that is looked for; aliases behind a | are not.")] = "",
    model_set: SetName = None,
    weights: Annotated[Path | None, typer.Option(help="A run folder: attack its defended model instead.")] = None,
    photos: Annotated[Path | None, typer.Option(help="Folder of photos; left out: those of the model set.")] = None,
    candidates: Annotated[int, typer.Option(help="Names to choose among.")] = 1000,
    images: Annotated[int, typer.Option(help="Photos used.")] = 20,
    seed: Annotated[int, typer.Option(help="Draws the other names.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Run the identity inference attack on one person: was this person in the training data?"""
    person = written_person(name, "--name")
    idia = IdiaConfig(n_candidate_names=candidates, n_images=images, seed=seed)
    settings = _settings()
    chosen = _set(model_set, settings)
    from unlearn.runs import questions

    with progress_bar() as report:
        outcome = questions.attack(
            settings, chosen, person, weights=weights, idia=idia, photos=photos, report=report
        )
    warnings = questions.model_warnings(settings, chosen)
    if as_json:
        return print_json({**outcome.to_dict(), "warnings": list(warnings)})
    if outcome.recognised is None:
        return print(f"{outcome.name}: {not_attacked(person, images, photos, questions.people(settings, chosen))}")
    rows = [(vote.template, vote.majority_name, f"{vote.share:.0%}", "*" if vote.correct else "") for vote in outcome.templates]
    print(table(rows, ("prompt", "majority of the photos", "share", "right")))
    print("\n".join((f"{outcome.name}: {verdict(outcome.recognised, outcome.correct_templates)}", *warnings)))


runs.register(app, _settings, _set)


def main() -> None:
    """Run the command line; every `UnlearnError`, and what the system says of a file, ends with exit code 2 and one line."""
    keep_freed_memory()
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"  # else the Hub's client asks its host even when it only looks into its cache
    try:
        app([expanded_argument(argument) for argument in sys.argv[1:]])
    except UnlearnError as error:
        print_error(str(lack_of_memory(error) or error))
        sys.exit(2)
    except OSError as error:
        is_full = error.errno == errno.ENOSPC
        told = f"{error.filename or 'A file'} cannot be used ({error.strerror or error})."
        lack = lack_of_memory(error)
        print_error(str(lack) if lack else "The disk is full; free some space." if is_full else told)
        sys.exit(2)
    except Exception as error:
        if (lack := lack_of_memory(error)) is None:
            raise
        print_error(str(lack))
        sys.exit(2)

