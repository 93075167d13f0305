"""Job requests as calls of `unlearn.experiment`; the one module of the page that a worker process runs.

Every function with (request, folder, report) is a job: the request is a JSON object, the folder is the job's own.
The others answer the page at once and must not load a model. Knows no Gradio; computes nothing itself.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ui import tasks_faces
from ui.options import PREPARED_DIR
from ui.results import PREPARED, prepared_folder
from ui.service import SetInfo
from ui.tasks_faces import faces as faces  # the redundant `as` says: a job like those below
from unlearn.config import ForgetConfig, IdiaConfig, Person, PortraitConfig, Progress, Report, Settings
from unlearn.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

    from unlearn.worlds import World


def warm_up() -> None:
    """Import in the worker what is slow to import, before the first job needs it."""
    import unlearn.experiment  # noqa: F401
    from unlearn.memory import keep_freed_memory

    keep_freed_memory()


# ---- what the page asks for at once; torch-free ------------------------------------------------------------------


@lru_cache(maxsize=4)
def _world(model_set: str) -> World | None:
    from unlearn.model_sets import find_model_set
    from unlearn.worlds import World

    root = find_model_set(model_set).world
    return World(root) if root is not None else None


def set_info(settings: Settings, model_set: str) -> SetInfo:
    """The model set as the page shows it; a set with a world of its own has invented people.

    Raises:
        ConfigError: no such set.
    """
    from unlearn.model_sets import find_model_set

    found = find_model_set(model_set)
    return SetInfo(found.name, found.title, found.world is not None, found.portraits)


def people(settings: Settings, model_set: str) -> list[dict[str, Any]]:
    """Rows {name, member, aliases} as of `experiment.people`, which would import torch."""
    world = _world(model_set)
    return [
        {"name": one.name, "member": one.member, "aliases": list(one.aliases)}
        for one in (world.inhabitants if world is not None else ())
    ]


@lru_cache(maxsize=8)
def photos(settings: Settings, model_set: str, name: str) -> list[Image.Image] | None:
    """Evaluation photos of a person, or None."""
    from PIL import Image

    world = _world(model_set)
    inhabitant = world.find(name) if world is not None else None
    if world is None or inhabitant is None:
        return None
    return [Image.fromarray(pixels) for pixels in world.photos(inhabitant)]


def things(settings: Settings, model_set: str) -> dict[str, list[str]] | None:
    """The kinds of things that the model set's photos show besides people, or None."""
    world = _world(model_set)
    return None if world is None else {"kinds": list(world.kinds)}


def examples(settings: Settings, model_set: str) -> list[dict[str, Any]]:
    """Example photo sets to try the face step with: rows {name, folder, member}."""
    world = _world(model_set)
    known = {one.name: one.member for one in (world.inhabitants if world is not None else ())}
    return [{**row, "member": known[row["name"]]} for row in tasks_faces.examples(world.root if world is not None else None, list(known))]


# ---- jobs, run by a worker process -------------------------------------------------------------------------------


def run_folder(request: dict[str, Any], folder: Path) -> Path:
    """Folder of the finished run that a request builds on; `folder` is the job's own, beside it.

    Raises:
        InputError: the run is not there any more.
    """
    key = request["run"]
    found = _prepared(folder) if key == PREPARED else folder.parent / key
    if found is None or not (found / "manifest.json").is_file():
        raise InputError("The result that this builds on is not there any more; run the job again.")
    return found


def _prepared(folder: Path) -> Path | None:
    """A copy of the prepared example in the data folder: asking it leaves cached embeddings beside the run."""
    shipped = prepared_folder(PREPARED_DIR)
    if shipped is None:
        return None
    copy = folder.parent.parent / "prepared" / shipped.name
    manifest = copy / "manifest.json"
    if not manifest.is_file() or manifest.read_bytes() != (shipped / "manifest.json").read_bytes():
        shutil.rmtree(copy, ignore_errors=True)  # of an earlier version of the program
        shutil.copytree(shipped, copy, ignore=shutil.ignore_patterns("manifest.json"))
        shutil.copy2(shipped / "manifest.json", manifest)  # last: without it the copy does not exist
    return copy


def forget(request: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
    """Forget the persons of the request's config; the result is the run folder, its manifest last."""
    from unlearn import experiment

    config = ForgetConfig.from_json(json.dumps(request["config"]))
    found = tasks_faces.face_folders(request, folder, report)
    experiment.forget(config, Settings.from_environment(), folder, report, faces=found or None)
    tasks_faces.delete_searched(request, folder)
    return {}


def portraits(request: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
    """Draw texts, or the run's first name and its neutral term, with both models; rows of files in the folder."""
    from PIL import Image

    from unlearn import experiment

    run = run_folder(request, folder)
    config = _config(run)
    template = request["prompt_template"]
    texts = request["texts"] or [template.replace("{0}", text) for text in (config.persons[0].name, config.neutral_term)]
    chosen = replace(
        config.portraits or PortraitConfig(), prompt_template=template, seeds=tuple(request["seeds"]),
        n_steps=request["n_steps"], guidance_scale=request["guidance_scale"],
    )  # fmt: skip
    asked = experiment.PortraitRequest(tuple(texts), chosen)
    rows = []
    for number, portrait in enumerate(experiment.portraits(Settings.from_environment(), run, asked, report)):
        file = f"q{number:03d}-{portrait.model}-s{portrait.seed}.png"
        Image.fromarray(portrait.image).save(folder / file)
        rows.append({
            "file": file, "model": portrait.model, "text": portrait.prompt, "seed": portrait.seed,
            "weights_hash": portrait.weights_hash,
        })  # fmt: skip
    return {"rows": rows}


def predict(request: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
    """Shares of the labels for a visitor's photo or a picture of the model set, by both models."""
    import numpy as np

    from unlearn import experiment

    run, settings = run_folder(request, folder), Settings.from_environment()
    report(Progress(0, 1, "Looking at the photo"))
    with tasks_faces.asked_photo(request, folder) as own:
        shots = None if own is not None else photos(settings, request["model_set"], request["person"])
        if own is None and not shots:
            raise InputError("The model set has no picture of this person; choose another.")
        image = own if own is not None else np.array(shots[request["shot"] % len(shots)].convert("RGB"))  # type: ignore[index,arg-type]
        return experiment.predict(settings, run, image, request["labels"])


def attack(request: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
    """The attack on one person, by the original and by the defended model of a run; on photos of one's own if any came."""
    from unlearn import experiment

    run, settings = run_folder(request, folder), Settings.from_environment()
    model_set, person, idia = _config(run).model_set, Person(request["name"]), IdiaConfig(**request["idia"])
    with tasks_faces.plain_photos(request, folder) as photos:
        before = experiment.attack(settings, model_set, person, idia=idia, photos=photos, run=run, report=report)
        if before.recognised is None:
            raise InputError(
                "The model set has no photos of this person, or too few; pick one of its people, or give photos of your own."
            )
        after = experiment.attack(settings, model_set, person, weights=run, idia=idia, photos=photos, run=run, report=report)
    sides = {"original": before, "defended": after}
    votes = zip(before.templates, after.templates, strict=True)
    return {
        "name": person.name, "n_images": before.n_images, "own_photos": photos is not None,
        **{s: {"correct_templates": o.correct_templates, "recognised": o.recognised} for s, o in sides.items()},
        "templates": [{"template": one.template, "original": _vote(one), "defended": _vote(two)} for one, two in votes],
    }  # fmt: skip


def probe(request: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
    """What texts mean to both models."""
    from unlearn import experiment

    run = run_folder(request, folder)
    report(Progress(0, 1, "Probing"))
    return {"rows": experiment.probe(Settings.from_environment(), run, request["texts"])}


def _config(run: Path) -> ForgetConfig:
    return ForgetConfig.from_json((run / "config.json").read_text(encoding="utf-8"))


def _vote(vote: Any) -> dict[str, Any]:
    return {"majority_name": vote.majority_name, "share": vote.share, "correct": vote.correct}
