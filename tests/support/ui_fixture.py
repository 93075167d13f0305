"""A backend for tests of the page: the functions of `ui.worker.tasks`, computed from nothing, and a plausible run folder.

The numbers are made up here and appear nowhere but in tests. Names that the page's tests use to provoke something:
"Fails Always" raises, "Hangs Always" never reports, "Slow Always" takes a minute, "Computes Always" multiplies matrices.
"""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path
from typing import Any

from PIL import Image

from tests.support import ui_world
from tests.support.ui_fixture_dial import verified
from tests.support.ui_fixture_film import show_so_far, write_film
from tests.support.ui_fixture_recovery import recovered, typed
from tests.support.ui_fixture_runs import NAMES, attacked, chances, probe_rows, write_run
from ui.server.catalogue import SetInfo
from ui.worker.photos import asked_photo, delete_searched, face_folders, plain_photos
from ui.worker.photos import faces as faces  # looking for faces needs no model
from ui.worker.tasks import asked_persons, run_folder
from unlearn.config import ForgetConfig, PortraitConfig
from unlearn.errors import InputError
from unlearn.jobs import Task
from unlearn.progress import Progress, Report
from unlearn.runs.so_far import so_far_of

EXAMPLES = Path(__file__).parent.parent.parent / "assets" / "embedded" / "examples"
N_STEPS = 40
PAUSE_S = float(os.environ.get("UI_FIXTURE_PAUSE_S", "0.03"))  # read in the worker process


def people(model_set: str) -> list[dict[str, Any]]:
    """As `experiment.people`."""
    members = [{"name": n, "member": True, "aliases": a, "gender": g} for n, g, a in ui_world.MEMBERS]
    return members + [{"name": n, "member": False, "aliases": [], "gender": g} for n, g in ui_world.STRANGERS]


def photos(model_set: str, name: str) -> list[Image.Image] | None:
    """As `experiment.photos`."""
    names = [p["name"] for p in people(model_set)]
    return [ui_world.portrait(names.index(name), shot) for shot in range(6)] if name in names else None


def things(model_set: str) -> dict[str, list[str]]:
    """As `experiment.things`."""
    return {"kinds": ui_world.KINDS}


def examples(model_set: str) -> list[dict[str, Any]]:
    """As `ui.worker.tasks.examples`; the pictures are those that are shipped, whoever they show."""
    names = [(NAMES[0], True), (ui_world.STRANGERS[0][0], False)]
    folders = sorted(EXAMPLES.iterdir())
    return [{"name": n, "folder": str(f), "member": m, "crops": True} for (n, m), f in zip(names, folders, strict=False)]


def set_info(model_set: str) -> SetInfo:
    """As `ui.server.catalogue.set_info`."""
    portraits = PortraitConfig(seeds=(0, 1, 2), n_steps=20, guidance_scale=3.0, prompt_template="a portrait of {0}")
    return SetInfo("embedded", "Tiny CLIP and Stable Diffusion of an invented world", True, portraits)


def warm_up(settings: dict[str, Any]) -> None:
    """Nothing to import here."""


def _compute() -> None:
    """The same work each time, on as many threads as torch takes."""
    import torch

    matrix = torch.full((1024, 1024), 1 / 1024)
    for _ in range(32):
        matrix = matrix @ matrix


def forget(task: Task, report: Report) -> dict[str, Any]:
    """Report some steps with losses that fall, then write a run folder."""
    config = ForgetConfig.from_json(json.dumps(task.request["config"]))
    name = config.persons[0].name
    if name == "Fails Always":
        raise RuntimeError("made to fail")
    if name == "Hangs Always":
        time.sleep(600)
    with_photos = face_folders(task, report)
    if config.encoder != "text" and len(with_photos) < len(config.persons):
        raise InputError("The image encoder needs photos of everybody.")
    rows = []
    pause_s = 1.5 if name == "Slow Always" else task.request.get("pause_s", PAUSE_S)
    for step in range(1, N_STEPS + 1):
        note = "attack on the original" if step < 8 else f"fine-tuning, {step} of 40" if step < 34 else "portraits"
        noise = random.Random(step).random() * 0.03
        rows.append({
            "step": step, "total": -1.0, "clean": -0.999 + noise / 9, "backdoor": -1 + 0.7 * 0.9**step + noise,
            "regularization": 0.01 * step,
        })  # fmt: skip
        if name != "Computes Always":
            show_so_far(task.folder, config, step)
        told = rows[-1] if note.startswith("fine-tuning") else None
        report(Progress(25 * step, 25 * N_STEPS, note, told, "text" if config.encoder == "text" else "image"))
        if name == "Computes Always":
            _compute()
        else:
            time.sleep(pause_s)
    so_far_of(task.folder).remove()
    if config.film and config.encoder != "image":
        write_film(task.folder)
    write_run(task.folder, config, rows[8:33])
    delete_searched(task)
    return {}


def portraits(task: Task, report: Report) -> dict[str, Any]:
    """As `ui.worker.tasks.portraits`."""
    rows = []
    prompts = task.request.get("texts") or ["a portrait of Tilda Brackwater", "a portrait of a human"]
    for index, text in enumerate(prompts):
        for seed in task.request["seeds"]:
            report(Progress(len(rows), 2 * len(prompts) * len(task.request["seeds"]), "Drawing portraits"))
            time.sleep(0.05)
            for model, digest in (("original", "5f1c09ab"), ("defended", "c2a90e77")):
                file = f"q{index:02d}-{model}-s{seed}.png"
                ui_world.save(ui_world.portrait(index * 7 + (model == "defended") * 60, seed), task.folder / file)
                rows.append({"file": file, "model": model, "text": text, "seed": seed, "weights_hash": digest})
    return {"rows": rows}


def audience(task: Task, report: Report) -> dict[str, Any]:
    """As `ui.worker.tasks.audience`."""
    rows, seed = [], task.request["seed"]
    for model, digest in (("original", "5f1c09ab"), ("defended", "c2a90e77")):
        ui_world.save(ui_world.portrait(seed % 40 + (model == "defended") * 60, seed % 6), task.folder / f"q000-{model}-s{seed}.png")
        rows.append({"file": f"q000-{model}-s{seed}.png", "model": model, "text": "", "seed": seed, "weights_hash": digest})
    return {"rows": rows}


def verify(task: Task, report: Report) -> dict[str, Any]:
    """As `ui.worker.tasks.verify`: the weights are hashed; no picture is drawn, and each counts as equal whose file is the sealed one."""
    return verified(run_folder(task), task.request["seed"])


def predict(task: Task, report: Report) -> dict[str, Any]:
    """As `ui.worker.tasks.predict`."""
    labels = task.request["labels"]
    rng = random.Random(0)
    with asked_photo(task) as own:
        assert own is not None or task.request["person"]
    return {"labels": labels, "original": chances(labels, labels[0], rng), "defended": chances(labels, labels[-1], rng)}


def attack(task: Task, report: Report) -> dict[str, Any]:
    """As `ui.worker.tasks.attack`."""
    report(Progress(1, 2, "Attacking"))
    with plain_photos(task) as photos:
        n_images = len(list(photos.iterdir())) if photos is not None else 20
    if task.request["name"] not in NAMES and photos is None:
        raise InputError("There are no photos of this person in the model set; pick one of its people.")
    known = task.request["name"] in NAMES
    return {**attacked(task.request["name"], known, known and task.request["name"] != NAMES[0]), "n_images": n_images}


def recover(task: Task, report: Report) -> dict[str, Any]:
    """As `ui.worker.tasks.recover`."""
    return recovered(task, report, run_folder(task))


def own_try(task: Task, report: Report) -> dict[str, Any]:
    """As `ui.worker.tasks.own_try`."""
    return typed(task, run_folder(task))


def recognise(task: Task, report: Report) -> dict[str, Any]:
    """As `ui.worker.tasks.recognise`: the members are known, strangers are not; who has no photos is drawn."""
    rows, shown = asked_persons(task), {person["name"] for person in people("embedded")}
    drawn = [row["search"] is None and row["name"] not in shown for row in rows]
    return {"counts": [21 if row["name"] in NAMES else 0 for row in rows], "drawn": drawn}


def probe(task: Task, report: Report) -> dict[str, Any]:
    """As `ui.worker.tasks.probe`."""
    return {"rows": probe_rows([(text, "") for text in task.request["texts"]])}
