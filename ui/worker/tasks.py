"""Job requests as calls of `unlearn.runs.questions`; the one module of the page that a worker process runs.

Every function with (task, report) is a job: the task holds the request, a JSON object, the job's own folder and the server's settings.
What the page asks for at once is handed on from `ui.server.catalogue`.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from ui.server.catalogue import examples as examples  # the redundant `as` says: the page finds these here, too
from ui.server.catalogue import people as people
from ui.server.catalogue import photos as photos
from ui.server.catalogue import set_info as set_info
from ui.server.catalogue import things as things
from ui.server.options import PREPARED_DIR
from ui.server.photos import WHO
from ui.worker import photos as tasks_faces
from ui.worker import recovery
from ui.worker.photos import faces as faces  # the redundant `as` says: a job like those below
from unlearn.config import ForgetConfig, IdiaConfig, Person, PortraitConfig, Settings
from unlearn.errors import InputError
from unlearn.jobs import Task, inputs_of
from unlearn.progress import Progress, Report
from unlearn.runs.json_types import to_json
from unlearn.runs.records import AttackAnswer, AttackRecord, DrawnPrompt
from unlearn.runs.results import PREPARED, finished_run, prepared_folder
from unlearn.texts.prompts import fill


def warm_up(settings: dict[str, Any]) -> None:
    """Import in the worker what is slow to import, before the first job needs it; settings that no job could use are an error at once."""
    Settings.from_plain(settings)
    import unlearn.runs.questions  # noqa: F401
    from unlearn.memory import keep_freed_memory

    keep_freed_memory()


# ---- jobs, run by a worker process -------------------------------------------------------------------------------


def run_folder(task: Task) -> Path:
    """Folder of the finished run that a task builds on; it lies beside the task's own.

    Raises:
        InputError: the run is not there any more.
    """
    key = task.request["run"]
    run = _prepared(task.folder) if key == PREPARED else task.folder.parent / key
    if run is None or not (run / "manifest.json").is_file():
        raise InputError("The result that this builds on is not there any more; run the job again.")
    return run


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


def forget(task: Task, report: Report) -> dict[str, Any]:
    """Forget the persons of the request's config; the result is the run folder, its manifest last."""
    from unlearn.runs import forgetting

    config, settings = ForgetConfig.from_json(json.dumps(task.request["config"])), Settings.from_plain(task.settings)
    faces = tasks_faces.face_folders(task, report)
    forgetting.forget(config, settings, task.folder, report, faces=faces or None)
    tasks_faces.delete_searched(task)
    return {}


def portraits(task: Task, report: Report) -> dict[str, Any]:
    """Draw texts, or the run's first name and what it was remapped to, with both models; rows of files in the folder."""
    request, run = task.request, run_folder(task)
    config = finished_run(run).config
    template = request["prompt_template"]
    shown = {text: text for text in request["texts"]} or _name_and_target(config, template)
    chosen = replace(
        config.portraits or PortraitConfig(), prompt_template=template, seeds=tuple(request["seeds"]),
        n_steps=request["n_steps"], guidance_scale=request["guidance_scale"],
    )  # fmt: skip
    return _drawn(task, run, chosen, shown, report)


def audience(task: Task, report: Report) -> dict[str, Any]:
    """Draw a person of the run by name with a seed that somebody called out, with both models; rows of files in the folder."""
    run = run_folder(task)
    config, person = finished_run(run).config, task.request["person"]
    if not 0 <= person < len(config.persons):
        raise InputError(f"person is {person}; the run has {len(config.persons)} persons, numbered from 0.")
    chosen, name = replace(config.portraits or PortraitConfig(), seeds=(task.request["seed"],)), config.persons[person].name
    return _drawn(task, run, chosen, {fill(chosen.prompt_template, name): ""}, report)


def _drawn(task: Task, run: Path, config: PortraitConfig, shown: dict[str, str], report: Report) -> dict[str, Any]:
    """Draw prompts, which are kept as `shown` has them, with both models of a run into the task's folder, each picture stamped."""
    from unlearn.runs import questions
    from unlearn.runs.portraits import write_png
    from unlearn.runs.seal import chunks_of, stamp_of

    drawn = questions.portraits(Settings.from_plain(task.settings), run, questions.PortraitRequest(tuple(shown), config), report)
    stamp, rows = stamp_of(run, drawn), []
    for number, portrait in enumerate(drawn):
        file = f"q{number:03d}-{portrait.model}-s{portrait.seed}.png"
        write_png(task.folder / file, portrait.image, chunks_of(stamp, portrait))
        rows.append(DrawnPrompt(file, portrait.model, portrait.seed, portrait.weights_hash, shown[portrait.prompt]))
    return {"rows": to_json(rows)}


def verify(task: Task, report: Report) -> dict[str, Any]:
    """Whether a run is still what its seal says; the result is that of `unlearn.runs.verification`."""
    from unlearn.runs import verification

    request, settings = task.request, Settings.from_plain(task.settings)
    return dict(to_json(verification.verify(settings, run_folder(task), request["seed"], request["person"], report)))


def _name_and_target(config: ForgetConfig, template: str) -> dict[str, str]:
    """The prompts of a run's control pair -> as they are kept with the answer, which holds no stand-in's name."""
    person = config.persons[0]
    shown = {person.name: person.name, person.target(config.neutral_term): person.shown_target(config.neutral_term)}
    return {fill(template, text): fill(template, name) for text, name in shown.items()}


def predict(task: Task, report: Report) -> dict[str, Any]:
    """Shares of the labels for a visitor's photo or a picture of the model set, by both models."""
    import numpy as np

    from unlearn.runs import questions

    request, settings, run = task.request, Settings.from_plain(task.settings), run_folder(task)
    report(Progress(0, 1, "Looking at the photo"))
    with tasks_faces.asked_photo(task) as own:
        shots = None if own is not None else photos(request["model_set"], request["person"])
        if own is None and not shots:
            raise InputError("The model set has no picture of this person; choose another.")
        image = own if own is not None else np.array(shots[request["shot"] % len(shots)].convert("RGB"))  # type: ignore[index,arg-type]
        return questions.predict(settings, run, image, request["labels"], None if own is not None else request["person"])


def attack(task: Task, report: Report) -> dict[str, Any]:
    """The attack on one person, by the original and by the defended model of a run; on photos of one's own if any came.

    Without any photos it looks at portraits that the original draws.
    """
    from unlearn.runs import questions
    from unlearn.runs.never_met_questions import attack_by_never_met
    from unlearn.runs.never_met_records import with_third

    request, settings, run = task.request, Settings.from_plain(task.settings), run_folder(task)
    model_set, person, idia = finished_run(run).config.model_set, Person(request["name"]), IdiaConfig(**request["idia"])
    with tasks_faces.plain_photos(task) as photos:
        shown = photos or questions.drawn_for(settings, model_set, person, run=run, report=report)
        before = questions.attack(settings, model_set, person, idia=idia, photos=shown, run=run, report=report)
        if before.recognised is None:
            raise InputError(
                "The model set has no photos of this person, or too few; pick one of its people, or give photos of your own."
            )
        after = questions.attack(settings, model_set, person, weights=run, idia=idia, photos=shown, run=run, report=report)
        third = attack_by_never_met(settings, model_set, person, idia, photos, run)
    answer = AttackAnswer(**vars(with_third(AttackRecord.of(before, after), third)), own_photos=photos is not None)
    return dict(to_json(answer))


def recognise(task: Task, report: Report) -> dict[str, Any]:
    """How many templates the original recognises each person by, and who was drawn for that.

    None for whom there are no photos, or too few, and nothing could be drawn soon.
    """
    from unlearn.runs import questions

    settings, model_set, outcomes = Settings.from_plain(task.settings), task.request["model_set"], []
    for row in asked_persons(task):
        person, search = Person(row["name"]), row["search"]
        shown = None if search is None else task.folder.parent / search / tasks_faces.SET
        if shown is None and questions.draws_soon(settings, model_set):
            shown = questions.drawn_for(settings, model_set, person, report=report)
        outcomes.append(questions.attack(settings, model_set, person, photos=shown, report=report))
    counts = [None if outcome.recognised is None else outcome.correct_templates for outcome in outcomes]
    return {"counts": counts, "drawn": [outcome.is_drawn for outcome in outcomes]}


def asked_persons(task: Task) -> list[dict[str, Any]]:
    """Whom a question of `ui.server.recognition` is about; their names are removed from the disk.

    Raises:
        InputError: the names are not there any more.
    """
    path = inputs_of(task.folder) / WHO
    try:
        rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("This was asked before; type the name again.") from None
    path.unlink()
    return rows


def recover(task: Task, report: Report) -> dict[str, Any]:
    """Attacks that try to bring a person of a run back."""
    return recovery.attacked(task, run_folder(task), report)


def own_try(task: Task, report: Report) -> dict[str, Any]:
    """What somebody typed in the place of a person's name."""
    return recovery.tried(task, run_folder(task), report)


def probe(task: Task, report: Report) -> dict[str, Any]:
    """What texts mean to both models."""
    from unlearn.runs import questions

    settings, run = Settings.from_plain(task.settings), run_folder(task)
    report(Progress(0, 1, "Probing"))
    return {"rows": questions.probe(settings, run, task.request["texts"])}
