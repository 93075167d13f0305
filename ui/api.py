"""The named endpoints: forget, status, cancel, portraits, predict, attack, probe. Knows Gradio, no model.

All take and give JSON. Whoever calls from the same address takes turns with itself; an id is all one needs to look at
a job or to stop it, so ids are unguessable.
"""

import functools
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gradio as gr

from ui import forms, photo_sets
from ui.photos import read_photo
from ui.service import Service
from ui.uploads import path_of, taken
from unlearn.config import Person
from unlearn.errors import InputError, UnlearnError
from unlearn.jobs import Job, Succeeded

ANSWER_WITHIN_S = 600.0
MAX_CALLS = 8


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
        told = {"metrics": run.metrics if run is not None else None}
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
        its photos (`gradio_client.handle_file`), at least 10; crops: they are face crops already; settings: further fields."""
        options = self._service.options
        values = {**(settings or {}), "names": "\n".join(names), "neutral_term": neutral_term, "seed": seed, "encoder": encoder}
        config = forms.forget_config(values, options.model_set, self._service.set_info.portraits, options.max_persons)
        if encoder != "text" and (not faces or len(faces) != len(config.persons) or not all(faces)):
            raise InputError(f"encoder is {encoder!r}: send photos of every person, one list of files a name.")
        rows = []
        with photo_sets.given(self._service) as inputs:
            for number, (person, sent) in enumerate(zip(config.persons, faces or [], strict=False)):
                rows.append({"name": person.name, "folder": f"p{number:02d}", "crops": crops})
                with taken([path_of(file) for file in sent]) as paths:
                    photo_sets.take(paths, inputs / f"p{number:02d}")
            job = self._service.forget(config, _owner(self._service, request), faces=rows, inputs=inputs)
        return describe(job, self._service)

    def status(self, job: str) -> dict[str, Any]:
        """State of a job: queued, running, succeeded (with metrics), failed, cancelled or interrupted."""
        return describe(self._service.jobs.get(job), self._service)

    def cancel(self, job: str) -> dict[str, Any]:
        """Stop a waiting or running job; its state 2 seconds later at most."""
        self._service.jobs.cancel(job)
        return describe(self._service.jobs.wait(job, 2.0), self._service)

    def portraits(
        self, job: str, request: gr.Request, prompts: list[str] | None = None, seeds: list[int] | None = None,
        settings: dict[str, Any] | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Draw with both models. prompts: free texts, or none for name and neutral term. Rows have a "url" below the app's."""
        default = self._service.set_info.portraits
        values = dict(settings or {})
        if seeds:
            values["seeds"] = ", ".join(str(seed) for seed in seeds)
        config = forms.portrait_config(values, default)
        texts = forms.parse_texts("\n".join(prompts), "prompts") if prompts else []
        asked = {"prompt_template": config.prompt_template, "seeds": list(config.seeds), "n_steps": config.n_steps,
                 "guidance_scale": config.guidance_scale, "texts": texts}  # fmt: skip
        drawn = self._service.ask("portraits", job, asked, _owner(self._service, request))
        result = self._service.answer(drawn, ANSWER_WITHIN_S)
        rows = [{**row, "url": f"media/{drawn.id}/{row['file']}"} for row in result["rows"]]
        return {"rows": rows}

    def predict(self, job: str, photo: dict[str, Any], labels: list[str], request: gr.Request) -> dict[str, Any]:
        """Shares of the labels for a photo (`gradio_client.handle_file`), by the original and the defended model."""
        with taken([path_of(photo)]) as paths:
            encoded = read_photo(paths[0], self._service.settings.max_upload_mb)
        asked = {"labels": forms.parse_texts("\n".join(labels), "labels"), "photo": encoded}
        return self._answer("predict", job, asked, request)

    def attack(
        self, job: str, name: str, request: gr.Request, settings: dict[str, Any] | None = None,
        photos: list[dict[str, Any]] | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Identity inference attack on both models. photos: of one's own (`gradio_client.handle_file`), of anybody.
        settings: n_candidate_names, n_images, min_correct_templates."""
        asked = {"name": Person.parse(name).name, "idia": asdict(forms.idia_config(settings or {})), "own_photos": bool(photos)}
        with taken([path_of(file) for file in photos or []]) as paths, photo_sets.given(self._service) as inputs:
            photo_sets.take(paths, inputs)
            return self._answer("attack", job, asked, request, inputs)

    def probe(self, job: str, texts: list[str], request: gr.Request) -> dict[str, Any]:
        """Similarity of texts to the neutral term and to the person, by the original and the defended model."""
        return self._answer("probe", job, {"texts": forms.parse_texts("\n".join(texts), "texts")}, request)

    def _answer(
        self, kind: str, key: str, asked: dict[str, Any], request: gr.Request, inputs: Path | None = None
    ) -> dict[str, Any]:
        job = self._service.ask(kind, key, asked, _owner(self._service, request), inputs)
        return self._service.answer(job, ANSWER_WITHIN_S)


def _told(function: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """The function with our errors as Gradio's, whose text reaches the caller."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> dict[str, Any]:
        try:
            return function(*args, **kwargs)
        except UnlearnError as error:
            raise gr.Error(str(error), print_exception=False) from error

    return call


def build(service: Service) -> None:
    """Add the endpoints to the Blocks under construction."""
    endpoints = Endpoints(service)
    for name in ("forget", "status", "cancel", "portraits", "predict", "attack", "probe"):
        gr.api(_told(getattr(endpoints, name)), api_name=name, concurrency_limit=MAX_CALLS, queue=True)
