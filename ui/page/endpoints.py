"""The named endpoints: forget, status, cancel, rerun, delete, portraits, verify, predict, attack, probe, recover, document.

All take and return JSON. Callers from one address share its limits and its turn in the queue. An id is all that is needed to
look at a job, so ids are unguessable. Only the caller that started a job may cancel it, run it again or delete it.
"""

import functools
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gradio as gr

from ui.page import arguments, documents, forms
from ui.page.refusals import Refusal, log_refused, log_unexpected, unexpected
from ui.page.uploads import path_of, temporary_uploads
from ui.server import opponent, photo_sets
from ui.server.photos import keep_photo
from ui.server.service import Service
from unlearn.errors import InputError, UnlearnError
from unlearn.jobs import Job, Succeeded
from unlearn.runs.json_types import to_json

ANSWER_WITHIN_S = 600.0
MAX_CALLS = 8
ENDPOINTS = (
    "forget", "status", "cancel", "rerun", "delete", "portraits", "verify", "predict", "attack", "probe", "recover", "document",
)  # fmt: skip


def _owner(service: Service, request: gr.Request) -> str:
    """The caller's owner name: by login, else by address, which is hashed."""
    if username := getattr(request, "username", None):
        return service.identity.user(username)
    return service.identity.caller(request.client.host if request.client else "")


def describe(job: Job, service: Service) -> dict[str, Any]:
    """A job as JSON: id, state (lower case), the state's fields; of a finished run its metrics."""
    fields = {key: value for key, value in asdict(job.state).items() if key != "details"}
    if isinstance(job.state, Succeeded) and job.parent is None:
        run = service.run(job.id)
        fields = {"metrics": to_json(run.metrics) if run is not None else None}
    return {"job": job.id, "state": type(job.state).__name__.lower(), **fields}


class Endpoints:
    """The functions behind the endpoints. An `UnlearnError` reaches the caller as its sentence."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def forget(
        self, names: list[str], request: gr.Request, neutral_term: str | None = None, seed: int = 0,
        settings: dict[str, Any] | None = None, encoder: str = "text", faces: list[list[dict[str, Any]]] | None = None,
        crops: bool = False, target: str | None = None, decoys: int = 0, method: str = "backdoor",
    ) -> dict[str, Any]:  # fmt: skip
        """Start forgetting in the background. names: "Name|Alias" each; encoder: text, image or both; faces: for each name
        its photos (`gradio_client.handle_file`), at least 10; crops: True uses all photos as they are, False searches each for
        a face unless it is a face crop already; settings: further fields; target: stand_in (somebody unknown, one for each
        person) or neutral_term, by default the latter where a neutral_term is given; decoys: so many unknown names are remapped, too;
        method: backdoor, closed-form or slug."""
        options = self._service.options
        main = {"names": names, "target": target, "neutral_term": neutral_term, "decoys": decoys, "seed": seed, "encoder": encoder,
                "method": method}  # fmt: skip
        values = {**arguments.forget_settings(settings, encoder), **main}
        config = forms.forget_config(values, options.model_set, self._service.set_info.portraits, options.max_persons)
        if config.encoder != "text" and (not faces or len(faces) != len(config.persons) or not all(faces)):
            raise InputError(f"encoder is {config.encoder!r}: send photos of every person, one list of files per name.")
        if faces and len(faces) != len(config.persons):
            raise InputError(f"faces has {len(faces)} lists for {len(config.persons)} names; send one list of files per name.")
        doubts = self._service.doubts(config)
        rows = []
        with photo_sets.given(self._service) as inputs:
            for number, (person, files) in enumerate(zip(config.persons, faces or [], strict=False)):
                rows.append({"name": person.name, "folder": f"p{number:02d}", "crops": crops})
                with temporary_uploads([path_of(file) for file in files]) as paths:
                    photo_sets.take(paths, inputs / f"p{number:02d}")
            job = self._service.forget(config, _owner(self._service, request), faces=rows, inputs=inputs)
        return {**describe(job, self._service), "warnings": doubts}

    def status(self, job: str) -> dict[str, Any]:
        """State of a job: queued, running, succeeded (with metrics), failed, cancelled or interrupted."""
        return describe(self._service.jobs.get(job), self._service)

    def cancel(self, job: str, request: gr.Request) -> dict[str, Any]:
        """Stop a waiting or running job of your own; returns its state at most 2 seconds later."""
        self._service.jobs.cancel(self._own(job, request).id)
        return describe(self._service.jobs.wait(job, 2.0), self._service)

    def rerun(self, job: str, request: gr.Request) -> dict[str, Any]:
        """Start a job of your own again as a new job, whose id is in the answer."""
        again = self._service.jobs.rerun(self._own(job, request).id, _owner(self._service, request))
        return describe(again, self._service)

    def delete(self, job: str, request: gr.Request) -> dict[str, Any]:
        """Delete a job of your own with everything that is stored of it: names, photos, results, questions to it. A running
        job is stopped. The answer counts what was removed."""
        try:
            deleted = self._service.jobs.delete(self._own(job, request).id)
        except InputError:
            raise
        except UnlearnError as error:  # names a path of the server, which callers must not see
            log_unexpected(error, "delete")
            raise Refusal("Some files of this job could not be removed; ask the operator of this server.", is_ours=True) from error
        return {"job": job, "state": "deleted", **asdict(deleted)}

    def _own(self, key: str, request: gr.Request) -> Job:
        """The job, if the caller started it."""
        job = self._service.jobs.get(key)
        if job.owner != _owner(self._service, request):
            raise InputError("This job was started by somebody else; you can view it, but not change it.")
        return job

    def portraits(
        self, job: str, request: gr.Request, prompts: list[str] | None = None, seeds: list[int] | None = None,
        settings: dict[str, Any] | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Draw with both models. prompts: free texts, or none for the name and its target. Each row has a "url" below the app's."""
        default = self._service.set_info.portraits
        all_settings = dict(settings or {}) if seeds is None else {**(settings or {}), "seeds": seeds}
        values = arguments.checked_settings(all_settings, arguments.PORTRAIT_SETTINGS)
        config = forms.portrait_config(values, default)
        texts = forms.checked_texts(prompts, "prompts") if prompts else []
        question = {"prompt_template": config.prompt_template, "seeds": list(config.seeds), "n_steps": config.n_steps,
                    "guidance_scale": config.guidance_scale, "texts": texts}  # fmt: skip
        drawing = self._service.ask("portraits", job, question, _owner(self._service, request))
        result = self._service.answer(drawing, ANSWER_WITHIN_S)
        return {"rows": [{**row, "url": f"media/{drawing.id}/{row['file']}"} for row in result["rows"]]}

    def verify(self, job: str, request: gr.Request, seed: int | None = None, person: int = 0) -> dict[str, Any]:
        """Hash the weights of a finished job again, draw both portraits of a seed again from them, and compare pixel by pixel.
        seed: one of the job's portraits, by default the first; person: number in the job's names."""
        return self._answer("verify", job, {"seed": seed, "person": person}, request)

    def predict(self, job: str, photo: dict[str, Any], labels: list[str], request: gr.Request) -> dict[str, Any]:
        """Shares of the labels for a photo (`gradio_client.handle_file`), by the original and the defended model."""
        with photo_sets.given(self._service) as inputs:
            with temporary_uploads([path_of(photo)]) as paths:
                question = {"labels": forms.checked_texts(labels, "labels"), "own_photos": True}
                keep_photo(paths[0], self._service.settings.max_upload_mb, inputs)
            return self._answer("predict", job, question, request, inputs)

    def attack(
        self, job: str, name: str, request: gr.Request, settings: dict[str, Any] | None = None,
        photos: list[dict[str, Any]] | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Identity inference attack on both models. photos: your own (`gradio_client.handle_file`), of any person.
        settings: n_candidate_names, n_images, min_correct_templates."""
        idia = forms.idia_config(arguments.checked_settings(settings, arguments.ATTACK_SETTINGS))
        question = {"name": forms.one_name(name, "name"), "idia": asdict(idia), "own_photos": bool(photos)}
        with temporary_uploads([path_of(file) for file in photos or []]) as paths, photo_sets.given(self._service) as inputs:
            photo_sets.take(paths, inputs)
            return self._answer("attack", job, question, request, inputs)

    def probe(self, job: str, texts: list[str], request: gr.Request) -> dict[str, Any]:
        """Similarity of texts to what the name was remapped to (to_neutral), and to the person, by the original and the defended model."""
        return self._answer("probe", job, {"texts": forms.checked_texts(texts, "texts")}, request)

    def recover(
        self, job: str, request: gr.Request, attacks: list[str] | None = None, budget: str = "quick", person: int = 0, seed: int = 0,
        texts: list[str] | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Attacks that try to bring a person of a job back. attacks: their names, by default all of the budget; budget: quick or
        full; person: number in the job's names; texts: your own, tried in the place of the name, in the place of attacks."""
        owner = _owner(self._service, request)
        if texts is not None:
            if attacks is not None:
                raise InputError("Send attacks or texts, not both.")
            asked = opponent.ask_texts(self._service, job, owner, forms.checked_texts(texts, "texts"), person)
            return {"attacks": [], "own": self._service.answer(asked, ANSWER_WITHIN_S)["own"]}
        wanted = {"attacks": attacks, "budget": budget, "person": person, "seed": seed}
        asked = opponent.ask_attacks(self._service, job, owner, wanted)
        found = self._service.answer(asked, ANSWER_WITHIN_S)["recovery"]
        return {"attacks": [row for row in found["attacks"] if row["person_index"] == person and (not attacks or row["attack"] in attacks)],
                "not_tried": found["not_tried"], "success": found["success"]}  # fmt: skip

    def document(self, job: str, kind: str = "report", details: dict[str, Any] | None = None) -> dict[str, Any]:
        """What is handed on of a finished job. kind: report (html, json), letter (html, text) or card (png, as base64). details:
        request_number, request_date, role, retest, with_name (default false: names are withheld), person (number in the job's names)."""
        run = self._service.run(job)
        if run is None:
            raise InputError("There is no finished result of this job (yet); its status says why.")
        return documents.made(run, kind, details or {})

    def _answer(
        self, kind: str, key: str, question: dict[str, Any], request: gr.Request, inputs: Path | None = None
    ) -> dict[str, Any]:
        job = self._service.ask(kind, key, question, _owner(self._service, request), inputs)
        return self._service.answer(job, ANSWER_WITHIN_S)


def _explained(name: str, function: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """The function with its arguments checked and every error turned into a sentence for the caller."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> dict[str, Any]:
        try:
            bound = arguments.checked_call(function, args, kwargs)
            return function(*bound.args, **bound.kwargs)
        except UnlearnError as error:
            log_refused(error, name)
            raise Refusal(str(error)) from None
        except gr.Error:
            raise
        except Exception as error:
            log_unexpected(error, name)
            raise Refusal(unexpected(error), is_ours=True) from None

    return call


def build(service: Service) -> None:
    """Add the endpoints to the Blocks under construction."""
    endpoints = Endpoints(service)
    for name in ENDPOINTS:
        gr.api(_explained(name, getattr(endpoints, name)), api_name=name, concurrency_limit=MAX_CALLS, queue=True)
