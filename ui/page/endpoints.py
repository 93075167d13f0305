"""The named endpoints: forget, status, cancel, rerun, delete, portraits, predict, attack, probe.

All take and give JSON. Whoever calls from the same address takes turns with itself; an id is all one needs to look at
a job, so ids are unguessable. Only who started a job may cancel it, run it again or delete it.
"""

import functools
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gradio as gr

from ui.page import arguments, forms
from ui.page.refusals import Refusal, log_refused, log_unexpected, unexpected
from ui.page.uploads import path_of, taken
from ui.server import photo_sets
from ui.server.photos import keep_photo
from ui.server.service import Service
from unlearn.errors import InputError, UnlearnError
from unlearn.jobs import Job, Succeeded
from unlearn.runs.json_types import to_json

ANSWER_WITHIN_S = 600.0
MAX_CALLS = 8
ENDPOINTS = ("forget", "status", "cancel", "rerun", "delete", "portraits", "predict", "attack", "probe")


def _owner(service: Service, request: gr.Request) -> str:
    """Callers of the endpoints by login or address, the address made unreadable."""
    if username := getattr(request, "username", None):
        return service.identity.user(username)
    return service.identity.caller(request.client.host if request.client else "")


def describe(job: Job, service: Service) -> dict[str, Any]:
    """A job as JSON: id, state (lower case), and what that state knows; of a finished run its metrics."""
    told = {key: value for key, value in asdict(job.state).items() if key != "details"}
    if isinstance(job.state, Succeeded) and job.parent is None:
        run = service.run(job.id)
        told = {"metrics": to_json(run.metrics) if run is not None else None}
    return {"job": job.id, "state": type(job.state).__name__.lower(), **told}


class Endpoints:
    """The functions behind the endpoints. An `UnlearnError` reaches the caller as its sentence."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def forget(
        self, names: list[str], request: gr.Request, neutral_term: str = "human", seed: int = 0,
        settings: dict[str, Any] | None = None, encoder: str = "text", faces: list[list[dict[str, Any]]] | None = None,
        crops: bool = False,
    ) -> dict[str, Any]:  # fmt: skip
        """Start forgetting in the background. names: "Name|Alias" each; encoder: text, image or both; faces: for each name
        its photos (`gradio_client.handle_file`), at least 10; crops: True uses all as they are, else it is decided for
        each whether it is a face crop already; settings: further fields."""
        options = self._service.options
        further = arguments.forget_settings(settings, encoder)
        values = {**further, "names": names, "neutral_term": neutral_term, "seed": seed, "encoder": encoder}
        config = forms.forget_config(values, options.model_set, self._service.set_info.portraits, options.max_persons)
        if config.encoder != "text" and (not faces or len(faces) != len(config.persons) or not all(faces)):
            raise InputError(f"encoder is {config.encoder!r}: send photos of every person, one list of files a name.")
        if faces and len(faces) != len(config.persons):
            raise InputError(f"faces has {len(faces)} lists for {len(config.persons)} names; send one list of files a name.")
        doubts = self._service.doubts(config)
        rows = []
        with photo_sets.given(self._service) as inputs:
            for number, (person, sent) in enumerate(zip(config.persons, faces or [], strict=False)):
                rows.append({"name": person.name, "folder": f"p{number:02d}", "crops": crops})
                with taken([path_of(file) for file in sent]) as paths:
                    photo_sets.take(paths, inputs / f"p{number:02d}")
            job = self._service.forget(config, _owner(self._service, request), faces=rows, inputs=inputs)
        return {**describe(job, self._service), "warnings": doubts}

    def status(self, job: str) -> dict[str, Any]:
        """State of a job: queued, running, succeeded (with metrics), failed, cancelled or interrupted."""
        return describe(self._service.jobs.get(job), self._service)

    def cancel(self, job: str, request: gr.Request) -> dict[str, Any]:
        """Stop a waiting or running job of one's own; its state 2 seconds later at most."""
        self._service.jobs.cancel(self._own(job, request).id)
        return describe(self._service.jobs.wait(job, 2.0), self._service)

    def rerun(self, job: str, request: gr.Request) -> dict[str, Any]:
        """Start the same work again as a new job, whose id is in the answer; only for who started the first."""
        again = self._service.jobs.rerun(self._own(job, request).id, _owner(self._service, request))
        return describe(again, self._service)

    def delete(self, job: str, request: gr.Request) -> dict[str, Any]:
        """Delete a job of one's own with everything that is stored of it: names, photos, results, questions to it. A running
        one is stopped. The answer counts what was removed."""
        try:
            gone = self._service.jobs.delete(self._own(job, request).id)
        except InputError:
            raise
        except UnlearnError as error:  # says where on the server, which is not the caller's business
            log_unexpected(error, "delete")
            raise Refusal("Something of this job could not be removed; whoever runs this server must do it.", is_ours=True) from error
        return {"job": job, "state": "deleted", **asdict(gone)}

    def _own(self, key: str, request: gr.Request) -> Job:
        """A job of the caller's own."""
        job = self._service.jobs.get(key)
        if job.owner != _owner(self._service, request):
            raise InputError("This job was started by somebody else; you can look at it, but not change it.")
        return job

    def portraits(
        self, job: str, request: gr.Request, prompts: list[str] | None = None, seeds: list[int] | None = None,
        settings: dict[str, Any] | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Draw with both models. prompts: free texts, or none for name and neutral term. Rows have a "url" below the app's."""
        default = self._service.set_info.portraits
        given = dict(settings or {}) if seeds is None else {**(settings or {}), "seeds": seeds}
        values = arguments.checked_settings(given, arguments.PORTRAIT_SETTINGS)
        config = forms.portrait_config(values, default)
        texts = forms.checked_texts(prompts, "prompts") if prompts else []
        asked = {"prompt_template": config.prompt_template, "seeds": list(config.seeds), "n_steps": config.n_steps,
                 "guidance_scale": config.guidance_scale, "texts": texts}  # fmt: skip
        drawn = self._service.ask("portraits", job, asked, _owner(self._service, request))
        result = self._service.answer(drawn, ANSWER_WITHIN_S)
        rows = [{**row, "url": f"media/{drawn.id}/{row['file']}"} for row in result["rows"]]
        return {"rows": rows}

    def predict(self, job: str, photo: dict[str, Any], labels: list[str], request: gr.Request) -> dict[str, Any]:
        """Shares of the labels for a photo (`gradio_client.handle_file`), by the original and the defended model."""
        with photo_sets.given(self._service) as inputs:
            with taken([path_of(photo)]) as paths:
                asked = {"labels": forms.checked_texts(labels, "labels"), "own_photos": True}
                keep_photo(paths[0], self._service.settings.max_upload_mb, inputs)
            return self._answer("predict", job, asked, request, inputs)

    def attack(
        self, job: str, name: str, request: gr.Request, settings: dict[str, Any] | None = None,
        photos: list[dict[str, Any]] | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Identity inference attack on both models. photos: of one's own (`gradio_client.handle_file`), of anybody.
        settings: n_candidate_names, n_images, min_correct_templates."""
        idia = forms.idia_config(arguments.checked_settings(settings, arguments.ATTACK_SETTINGS))
        asked = {"name": forms.one_name(name, "name"), "idia": asdict(idia), "own_photos": bool(photos)}
        with taken([path_of(file) for file in photos or []]) as paths, photo_sets.given(self._service) as inputs:
            photo_sets.take(paths, inputs)
            return self._answer("attack", job, asked, request, inputs)

    def probe(self, job: str, texts: list[str], request: gr.Request) -> dict[str, Any]:
        """Similarity of texts to the neutral term and to the person, by the original and the defended model."""
        return self._answer("probe", job, {"texts": forms.checked_texts(texts, "texts")}, request)

    def _answer(
        self, kind: str, key: str, asked: dict[str, Any], request: gr.Request, inputs: Path | None = None
    ) -> dict[str, Any]:
        job = self._service.ask(kind, key, asked, _owner(self._service, request), inputs)
        return self._service.answer(job, ANSWER_WITHIN_S)


def _told(name: str, function: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """The function with its arguments checked, and with every error as a sentence for the caller."""

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
        gr.api(_told(name, getattr(endpoints, name)), api_name=name, concurrency_limit=MAX_CALLS, queue=True)
