"""What page and endpoints do: start jobs, ask finished runs, read results. Imports neither.

The backend (a module with the functions of `ui.worker.tasks`) is the only way to the core.
"""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from ui.server.catalogue import SetInfo
from ui.server.identity import Identity, server_key
from ui.server.options import Options
from ui.server.photo_sweep import PhotoSweep
from ui.server.rooms import Rooms, TryLane
from unlearn.config import ForgetConfig, Settings, name_key
from unlearn.config.stand_ins import OLDER_RUNS
from unlearn.defence.trigger_checks import common_words, looked_at_captions
from unlearn.errors import InputError
from unlearn.jobs import Job, Jobs, Submission, Succeeded, WorkerSetup
from unlearn.models.schedule_choices import schedule
from unlearn.models.sets import find_model_set
from unlearn.runs.results import PREPARED, Run, prepared_folder, read_run

FORGET_LANE, QUICK_LANE = "forget", "quick"  # a long job must not keep a short question waiting
LONG_QUESTIONS = ("recover",)  # kinds of questions to a run that take minutes
MANIFEST = "manifest.json"  # written last: a run without it has not succeeded
UPLOADS = "uploads"  # in the data folder: where `app` lets Gradio put what is uploaded
MAX_LISTED = 50  # jobs in the history; older ones are still there for whoever has their link


class Service:
    """Everything behind the page. `start` it before the page is launched and `stop` it afterwards."""

    def __init__(self, settings: Settings, options: Options) -> None:
        self.settings, self.options = settings, options
        remote = options.remote
        workers = WorkerSetup(
            settings.to_plain(), f"{options.backend}:warm_up", options.zero, options.devices, None if remote is None else remote.worker
        )
        self.jobs = Jobs(settings.data_dir, (FORGET_LANE, QUICK_LANE), options.limits, workers)
        self.identity = Identity(server_key(settings.data_dir))
        self.rooms = Rooms(self.jobs, TryLane(QUICK_LANE, options.backend), options.max_rooms)
        self._sweep = PhotoSweep(settings.data_dir / UPLOADS, self.jobs.runs_dir)

    def start(self) -> None:
        """Take up the queue."""
        self.jobs.start()
        self.rooms.start()
        self._sweep.start()

    def stop(self) -> None:
        """End the workers."""
        self._sweep.stop()
        self.rooms.stop()
        self.jobs.stop()

    @cached_property
    def backend(self) -> ModuleType:
        """The module of `Options.backend`."""
        return importlib.import_module(self.options.backend)

    @cached_property
    def set_info(self) -> SetInfo:
        """The model set in use.

        Raises:
            ConfigError: there is no such set.
        """
        info: SetInfo = self.backend.set_info(self.options.model_set)
        return info

    @cached_property
    def people(self) -> list[dict[str, Any]]:
        """The persons that the model set has pictures of: {name, member, aliases}; empty when it has none."""
        people: list[dict[str, Any]] = self.backend.people(self.options.model_set)
        return people

    @cached_property
    def examples(self) -> list[dict[str, Any]]:
        """Example photo sets of the model set: {name, folder, member, crops}; empty when it has none."""
        examples: list[dict[str, Any]] = self.backend.examples(self.options.model_set)
        return examples

    @cached_property
    def labels(self) -> list[str]:
        """Candidate labels to start with: some of the people, and the kinds of things of the model set."""
        names = [p["name"] for p in self.people if p["member"]][:6]
        things: dict[str, list[str]] = self.backend.things(self.options.model_set) or {}
        return [*names, "a human", *(f"a {kind}" for kind in things.get("kinds", [])[:8])]

    def photo(self, index: int, shot: int) -> Any:
        """A picture of a person of the model set as a PIL image, or None."""
        if not 0 <= index < len(self.people):
            return None
        shots = self.backend.photos(self.options.model_set, self.people[index]["name"])
        return shots[shot % len(shots)] if shots else None

    def forget(
        self, config: ForgetConfig, owner: str, group: str | None = None, *,
        faces: Sequence[dict[str, Any]] = (), inputs: Path | None = None,
    ) -> Job:  # fmt: skip
        """Queue a job of forgetting; `faces` says whose photos lie where in the folder of inputs."""
        request = {"kind": "forget", "config": json.loads(config.to_json()), "faces": list(faces)}
        work = f"{self.options.backend}:forget"
        return self.jobs.submit(Submission(FORGET_LANE, work, request, owner, group=group, must_leave=MANIFEST), inputs)

    def doubts(self, config: ForgetConfig) -> list[str]:
        """What should be said about the names before the work begins.

        Raises:
            InputError: with these names the work would be for nothing.
        """
        if config.encoder == "image":
            return []
        text = config.text or find_model_set(config.model_set).text_for(config.target)
        return common_words(config.persons, looked_at_captions(text.captions, config.seed))

    def ask(self, kind: str, key: str, request: dict[str, Any], owner: str, inputs: Path | None = None) -> Job:
        """Queue a question to a finished run; `inputs` are files for it.

        Its kind is "portraits", "audience", "verify", "predict", "attack", "probe", "recover" or "own_try".

        Raises:
            InputError: the run is not there, or its defended weights are not.
        """
        run = self.run(key)
        if run is None:
            raise InputError("There is no finished result to ask yet; wait for the job to end, or start one.")
        if not run.has_weights:
            raise InputError("The defended weights of this result are not at hand; run it again to ask it more.")
        full = {"kind": kind, "run": key, **request}
        work = f"{self.options.backend}:{kind}"
        lane = FORGET_LANE if kind in LONG_QUESTIONS else QUICK_LANE
        return self.jobs.submit(Submission(lane, work, full, owner, parent=key), inputs)

    def run_folder(self, key: str) -> Path | None:
        """The folder of a job or of the prepared example; None when the key is neither."""
        if key == PREPARED:
            return prepared_folder(self.options.prepared_dir)
        try:
            return self.jobs.folder(self.jobs.get(key).id)
        except InputError:
            return None

    def run(self, key: str) -> Run | None:
        """The finished run of a job, or the prepared example; None when there is none (yet).

        Raises:
            InputError: a file of it is damaged.
        """
        folder = self.run_folder(key)
        return None if folder is None else read_run(key, folder)

    def job(self, key: str) -> Job | None:
        """The job with this id, or None."""
        try:
            return self.jobs.get(key) if key and key != PREPARED else None
        except InputError:
            return None

    def forget_job(self, key: str) -> Job | None:
        """The job of forgetting with this id; a question to a run or a search for faces is shown by the page that asked, and has none."""
        job = self.job(key)
        return job if job is not None and job.lane == FORGET_LANE and job.parent is None else None

    def forgets(self, owner: str) -> list[Job]:
        """An owner's latest jobs of forgetting, newest first."""
        return [job for job in self.jobs.store.find(owner=owner) if job.lane == FORGET_LANE and job.parent is None][:MAX_LISTED]

    def finished(self, job: Job) -> Run | None:
        """The run of a job that succeeded; None, too, where it is damaged: `run` says so."""
        if not isinstance(job.state, Succeeded):
            return None
        try:
            return read_run(job.id, self.jobs.folder(job.id))
        except InputError:
            return None

    def questions(self, key: str, owner: str) -> list[Job]:
        """What was asked of a run, newest first: by this owner, and by whoever started its job, as far as no photos were given for it."""
        job = self.job(key)
        starter = owner if job is None else job.owner
        return [question for question in self.jobs.store.find(parent=key)
                if question.owner == owner or (question.owner == starter and not question.request.get("own_photos"))]  # fmt: skip

    def group_runs(self, job: Job) -> list[tuple[Job, Run | None]]:
        """The jobs that were started together with this one to compare neutral terms, it included, oldest first."""
        together = self.jobs.store.find(group=job.group or job.id)
        jobs = {j.id: j for j in (job, *together)}
        return [(j, self.finished(j)) for j in sorted(jobs.values(), key=lambda j: j.created)]

    def compare_terms(self, job: Job, terms: list[str], owner: str) -> list[Job]:
        """Queue the same job with neutral terms as target, as far as they were not run yet."""
        configs = [{**OLDER_RUNS, **j.request["config"]} for j, _ in self.group_runs(job)]
        known = {name_key(config["neutral_term"]) for config in configs if config["target"] == "neutral_term"}
        started = []
        for term in terms:
            if name_key(term) not in known:
                known.add(name_key(term))
                changes = {"neutral_term": term, "target": "neutral_term", "n_decoys": 0, "decoys": []}
                started.append(self._forget_like(job, changes, owner, job.group or job.id))
        return started

    def forget_with_stand_ins(self, job: Job, owner: str) -> Job:
        """Queue the same job with stand-ins as target, by the model set's own schedule in the place of the paper's."""
        config = job.request["config"]
        model_set = find_model_set(config["model_set"])
        papers = {"text": schedule(model_set, "text", "paper", {}), "image": schedule(model_set, "image", "paper", {})}
        as_stored = json.loads(json.dumps({encoder: asdict(paper) for encoder, paper in papers.items()}))
        own = {encoder: None for encoder, paper in as_stored.items() if config.get(encoder) == paper}
        return self._forget_like(job, {"target": "stand_in", **own}, owner)

    def _forget_like(self, job: Job, changes: dict[str, Any], owner: str, group: str | None = None) -> Job:
        """Queue a job of forgetting again, with the photos that it was given, and with changes in its config."""
        config = ForgetConfig.from_json(json.dumps({**job.request["config"], **changes}))
        faces = job.request.get("faces") or []
        inputs = self.jobs.new_inputs(like=job.id) if faces else None
        try:
            return self.forget(config, owner, group, faces=faces, inputs=inputs)
        finally:
            if inputs is not None:
                shutil.rmtree(inputs, ignore_errors=True)  # still there only where the job was refused

    def answer(self, job: Job, timeout_s: float) -> dict[str, Any]:
        """The result of a question once it is there.

        Raises:
            InputError: it did not succeed in time; with its reason.
        """
        ended = self.jobs.wait(job.id, timeout_s)
        if isinstance(ended.state, Succeeded):
            return ended.state.result
        raise InputError(getattr(ended.state, "message", "") or f"The job is {type(ended.state).__name__.lower()}.")
