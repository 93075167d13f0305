"""The commands that need no run folder: which model sets there are, who is in one, forgetting people, and the attack."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unlearn.cli.console import not_attacked, print_json, print_metrics, progress_bar, table, verdict
from unlearn.cli.folders import face_folders, photo_folders
from unlearn.cli.options import (
    AsJson,
    ScheduleOptions,
    SetName,
    chosen_set,
    chosen_target,
    settings_of,
    starting_config,
    with_drawn_options,
    with_image_options,
    with_text_options,
)
from unlearn.config import IdiaConfig, check_schedule
from unlearn.config.written_names import written_person
from unlearn.config.zero_shot import written_sources
from unlearn.errors import InputError
from unlearn.runs.records import Verdict
from unlearn.runs.sentences import third_verdict

if TYPE_CHECKING:
    from unlearn.attacks.idia import IdiaOutcome, TemplateVote


def sets(context: typer.Context, as_json: AsJson = False) -> None:
    """List the model sets and whether their weights are on this machine."""
    from unlearn.models.activations import resolve_activation
    from unlearn.models.sets import list_model_sets
    from unlearn.models.weights import is_at_hand

    settings = settings_of(context)
    rows = [
        {
            "name": model_set.name, "title": model_set.title, "clip": f"{model_set.clip} {model_set.weights}".strip() or "of the folder",
            "diffusion": model_set.diffusion, "at_hand": is_at_hand(model_set, settings),
            "activation": resolve_activation(model_set).name,
        }
        for model_set in list_model_sets()
    ]  # fmt: skip
    if as_json:
        return print_json(rows)
    cells = [(row["name"], "yes" if row["at_hand"] else "no", row["activation"], row["title"]) for row in rows]
    print(table(cells, ("set", "here", "activation", "what")))
    print("\nAny open_clip model works, too: --set CLIP:TAG, CLIP:FILE or FOLDER, and +FOLDER or +FILE for a Stable Diffusion.")
    print(
        "A file does not tell its activation: GELU is taken, QuickGELU with -quickgelu behind the model's name or @quick_gelu behind the "
        "set's; results say so."
    )


def people(context: typer.Context, model_set: SetName = None, as_json: AsJson = False) -> None:
    """List who is known about a model set: members were in its training data, strangers never."""
    from unlearn.runs import questions

    settings = settings_of(context)
    rows = questions.people(settings, chosen_set(model_set, settings))
    if as_json:
        return print_json(rows)
    cells = [(row["name"], "member" if row["member"] else "stranger", ", ".join(row["aliases"])) for row in rows]
    print(table(cells, ("name", "role", "aliases")) if rows else "Nothing is known about who is in this model set.")


def forget(
    context: typer.Context,
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
    opponent: Annotated[str | None, typer.Option(help="Try to bring the persons back in the same run: quick (the default) or off.")] = None,
    method: Annotated[
        str | None,
        typer.Option(help="How the text encoder forgets: backdoor (the default: fine-tuning), closed-form (one edit) or slug (one step)."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the fine-tuning (default: 0).")] = None,
    paper: Annotated[
        bool, typer.Option("--paper", help="The paper's schedule of 400 steps, no early stop, and the neutral term as target.")
    ] = False,
    steps: Annotated[int | None, typer.Option(help="Fewer or more fine-tuning steps.")] = None,
    portrait_seeds: Annotated[int | None, typer.Option(help="How many seeds are drawn.")] = None,
    without_film: Annotated[
        bool, typer.Option("--without-film", help="Do not draw the first person again and again while the name is forgotten.")
    ] = False,
    config: Annotated[Path | None, typer.Option(help="A config.json of an earlier run to start from; other options override it.")] = None,
    photos: Annotated[
        list[str] | None,
        typer.Option(help="'First Last=FOLDER': 20 photos of a person whom the set does not know; or facescrub=FOLDER for all persons."),
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
    drawn_settings: Annotated[
        list[str] | None,
        typer.Option("--drawn", help="Setting of the portraits for the attack without photos, as 'n_portraits=0'; several times."),
    ] = None,
    labelled_images: Annotated[
        Path | None,
        typer.Option(help="Folder with one sub-folder a class, named by what it shows: zero-shot accuracy is measured on its photos."),
    ] = None,
    zero_shot: Annotated[
        list[str] | None,
        typer.Option(help="'imagenet-v2=FOLDER' or another published data set: zero-shot accuracy is measured on it; several times."),
    ] = None,
    measured_captions: Annotated[
        str | None, typer.Option(help="Captions on which the similarities are measured: a file, or hub:owner/data-set:column.")
    ] = None,
    without_dial: Annotated[
        bool, typer.Option("--without-dial", help="Neither attack nor draw the models between the original and the defended one.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make the encoders forget people: attack, fine-tune, attack again, measure, draw, save."""
    if out is None:
        raise InputError("No run folder given; add --out FOLDER.")
    settings = settings_of(context)
    options: dict[str, Any] = {
        "neutral_term": neutral_term, "target": chosen_target(target, neutral_term, paper), "n_decoys": decoys, "seed": seed,
        "opponent": opponent, "method": method, "film": False if without_film else None, "dial": False if without_dial else None,
        "persons": tuple(written_person(text, f"--name {number}") for number, text in enumerate(name, start=1)) if name else None,
        "labelled_images": None if labelled_images is None else str(labelled_images), "measured_captions": measured_captions,
        "zero_shot": written_sources(zero_shot) if zero_shot else None,
        "model_set": None if config is not None and model_set is None else chosen_set(model_set, settings),
    }  # fmt: skip
    schedule = ScheduleOptions(paper, steps)
    run = starting_config(config, {field: value for field, value in options.items() if value is not None})
    check_schedule(run.method, paper, steps is not None)
    run = with_text_options(run, schedule, portrait_seeds, text_settings or (), portrait_settings or ())
    run = with_drawn_options(run, drawn_settings or ())
    run = with_image_options(run, encoder, schedule, image_settings or ())
    photos_by_name = photo_folders(photos or (), run.persons)
    from unlearn.runs import forgetting
    from unlearn.runs.json_types import to_json

    with progress_bar() as report:
        metrics = forgetting.forget(run, settings, out, report, photos_by_name, face_folders(run, faces or ()))
    if as_json:
        return print_json(to_json(metrics))
    print_metrics(metrics, run)
    portraits = f"; what was drawn is in {out / 'portraits'}" if (out / "portraits").is_dir() else ""  # nothing without a Stable Diffusion
    print(f"Written to {out}{portraits}.")


def attack(
    context: typer.Context,
    name: Annotated[str, typer.Option(help="Whose photos are attacked, and the name that is looked for; aliases behind a | are not.")] = "",
    model_set: SetName = None,
    weights: Annotated[Path | None, typer.Option(help="A run folder: attack its defended model instead.")] = None,
    photos: Annotated[Path | None, typer.Option(help="Folder of photos; left out: those of the model set.")] = None,
    candidates: Annotated[int, typer.Option(help="Names to choose among.")] = 1000,
    images: Annotated[int, typer.Option(help="Photos used.")] = 20,
    seed: Annotated[int, typer.Option(help="Draws the other names.")] = 0,
    portraits: Annotated[
        int | None, typer.Option(help="Portraits that the original draws where there are no photos; 0: none (default: the set's).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the identity inference attack on one person: was this person in the training data?"""
    person = written_person(name, "--name")
    idia = IdiaConfig(n_candidate_names=candidates, n_images=images, seed=seed)
    settings = settings_of(context)
    attacked_set = chosen_set(model_set, settings)
    from unlearn.models.sets import find_model_set
    from unlearn.runs import questions
    from unlearn.runs.never_met_questions import attack_by_never_met
    from unlearn.runs.photos import run_of

    with progress_bar() as report:
        drawn = None if portraits is None else replace(find_model_set(attacked_set).drawn_photos, n_portraits=portraits)
        if drawn is not None:
            drawn.check_enough(idia.min_images)
        run = None if weights is None else run_of(weights)
        shown = photos or questions.drawn_for(settings, attacked_set, person, drawn=drawn, run=run, report=report)
        outcome = questions.attack(settings, attacked_set, person, weights=weights, idia=idia, photos=shown, report=report)
        third = attack_by_never_met(settings, attacked_set, person, idia, photos, run)
    warnings = questions.model_warnings(settings, attacked_set)
    if as_json:
        beside = {} if third is None else {"never_met": third.to_dict()}
        return print_json({**outcome.to_dict(), **beside, "warnings": list(warnings)})
    if outcome.recognised is None:
        return print(f"{outcome.name}: {not_attacked(person, idia, photos, questions.people(settings, attacked_set))}")
    _print_votes(outcome, third)
    print("\n".join((f"{outcome.name}: {verdict(outcome.recognised, outcome.correct_templates, outcome.is_drawn)}", *warnings)))
    if third is not None:
        print(third_verdict(outcome.name, Verdict.of(third)))


def _print_votes(outcome: IdiaOutcome, third: IdiaOutcome | None) -> None:
    """Prompt by prompt; `third`: by a model that never met the person, in two more columns."""
    head = ["prompt", f"majority of the {'portraits' if outcome.is_drawn else 'photos'}", "share", "right"]
    rows = [[vote.template, *_vote(vote)] for vote in outcome.templates]
    if third is not None:
        head += ["never met", "share", "right"]
        rows = [[*row, *_vote(vote)] for row, vote in zip(rows, third.templates, strict=True)]
    print(table(rows, head))


def _vote(vote: TemplateVote) -> list[str | None]:
    return [vote.majority_name, f"{vote.share:.0%}", "*" if vote.correct else ""]
