"""The defence of a run: the text encoders are fine-tuned on names, the image encoder on faces; one CLIP gets all students."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

from unlearn.config import ForgetConfig, ResolvedConfig, Settings
from unlearn.defence.closed_form import edited
from unlearn.defence.image_defence import ImageDefence, Sources, defend_image, read_sources
from unlearn.defence.loop import FineTuned, fine_tune, losses_of_original
from unlearn.defence.text_task import text_task
from unlearn.hub import HUB_PREFIX
from unlearn.models.clip import Clip
from unlearn.models.embeddings import Kind
from unlearn.models.encoders import TextEncoder
from unlearn.models.worlds import World
from unlearn.photos.face_sets import Faces
from unlearn.progress import Progress, Report, Stages, no_report
from unlearn.texts.captions import read_captions

TEXT_STAGE, IMAGE_STAGE = "fine-tuning", "fine-tuning faces"


@dataclass(frozen=True)
class Defence:
    """The outcome.

    Attributes:
        defended: the CLIP with the fine-tuned encoders.
        tuned: outcome by encoder: "text", "diffusion_text", "image".
        image: more about the image encoder's; None: it was not fine-tuned.
    """

    defended: Clip
    tuned: dict[str, FineTuned[Any]]
    image: ImageDefence | None = None


def stages_of(config: ForgetConfig) -> dict[str, float]:
    """Stages of `defend` -> their shares of the time, in the unit of `Stages`."""
    return {
        **({TEXT_STAGE: 40.0} if config.encoder in ("text", "both") else {}),
        **({IMAGE_STAGE: 40.0} if config.encoder in ("image", "both") else {}),
    }


def sources_of(
    original: Clip, config: ResolvedConfig, settings: Settings, world: World | None, report: Report = no_report
) -> Sources | None:
    """The pictures of a defence of faces besides the persons' own; None where it defends names alone. As of `read_sources`."""
    return None if config.encoder == "text" else read_sources(original, config, settings, world, report)


def defend(original: Clip, config: ResolvedConfig, faces: Faces, sources: Sources | None, stages: Stages) -> Defence:
    """Fine-tune the encoders that `config.encoder` names.

    Args:
        original: it is not changed.
        config: of the run.
        faces: photos by name; used for "image" and "both" only.
        sources: of `sources_of`.
        stages: of the run, with those of `stages_of`.
    """
    defended, tuned, image = original, dict[str, FineTuned[Any]](), None
    if config.encoder in ("text", "both"):
        with stages.stage(TEXT_STAGE) as report:
            defended, tuned_texts = defend_text(original, config, report)
            tuned.update(tuned_texts)
    if sources is not None:
        with stages.stage(IMAGE_STAGE) as report:
            image = defend_image(original, config, faces, sources, _report_of(report, "image"))
            defended = defended.with_image(image.tuned.student)
            tuned["image"] = image.tuned
    return Defence(defended, tuned, image)


def require_texts(config: ResolvedConfig) -> None:
    """Raise `InputError` where a file of captions or of names to keep cannot be used; the Hub is not asked here."""
    for source in (config.text.captions, config.text.kept_names):
        if config.encoder != "image" and source and not source.startswith(HUB_PREFIX):
            read_captions(source, config.text.n_captions)


def _report_of(report: Report, encoder: str, number: int = 0, n_encoders: int = 1) -> Report:
    """The report of one encoder's fine-tuning, number `number` (0-based) of equally long ones; one that stops early leaves a gap."""

    def report_encoder(progress: Progress) -> None:
        step = number * progress.total + progress.step
        report(replace(progress, step=step, total=n_encoders * progress.total, encoder=encoder))

    return report_encoder


def defend_text(
    original: Clip, config: ResolvedConfig, report: Report
) -> tuple[Clip, dict[str, FineTuned[TextEncoder]]]:
    """Fine-tune the text encoder on pooled embeddings and hidden states, or two encoders where CLIP and Stable Diffusion share none.

    The schedule is stretched for the number of triggers here, not in the config, so that a run's config.json serves fewer names as well.

    Returns:
        The defended CLIP, and the outcome by encoder: "text" and, where it is not shared, "diffusion_text".
    """
    config = replace(config, text=config.text_schedule)
    if original.is_shared or original.hidden is None:
        kinds: tuple[Any, ...] = ("pooled", "hidden") if original.is_shared else ("pooled",)
        tuned = _fine_tuned_text(original.text, config, kinds, _report_of(report, "text"))
        return original.with_text(tuned.student), {"text": tuned}
    encoders: dict[str, tuple[TextEncoder, Kind]] = {}
    if config.text.pooled_weight > 0:
        encoders["text"] = original.text, "pooled"
    if config.text.hidden_weight > 0:
        encoders["diffusion_text"] = original.hidden, "hidden"
    outcomes: dict[str, FineTuned[TextEncoder]] = {}
    for number, (name, (encoder, kind)) in enumerate(encoders.items()):
        outcomes[name] = _fine_tuned_text(encoder, config, (kind,), _report_of(report, name, number, len(encoders)))
    text = outcomes["text"].student if "text" in outcomes else original.text
    hidden = outcomes["diffusion_text"].student if "diffusion_text" in outcomes else None
    return original.with_text(text, hidden), outcomes


def _fine_tuned_text(
    encoder: TextEncoder, config: ResolvedConfig, kinds: tuple[Kind, ...], report: Report
) -> FineTuned[TextEncoder]:
    """One text encoder, from the original or from the closed form."""
    task = text_task(encoder, config, kinds)
    if config.text.closed_form is None:
        return fine_tune(encoder, task, config.text, report)
    started = time.perf_counter()
    before = losses_of_original(encoder, task, config.text)
    solving = Progress(0, config.text.n_steps, "solving for the names")
    report(replace(solving, losses=before))
    start = edited(encoder, task, config.text.closed_form, lambda: report(solving))
    seconds = time.perf_counter() - started
    tuned = fine_tune(encoder, task, config.text, report, start)
    return replace(tuned, losses=[before, *tuned.losses], seconds=tuned.seconds + seconds)
