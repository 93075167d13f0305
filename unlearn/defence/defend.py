"""The defence of a run: the text encoders are fine-tuned on names, the image encoder on faces; one CLIP gets all students."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import nn

from unlearn.config import ForgetConfig, ResolvedConfig, Settings, TextFineTuneConfig
from unlearn.defence.image_defence import ImageDefence, Sources, defend_image, read_sources
from unlearn.defence.loop import FineTuned
from unlearn.defence.methods import forgotten
from unlearn.defence.moments import Moment, Watch, unwatched
from unlearn.hub import HUB_PREFIX
from unlearn.models.clip import Clip
from unlearn.models.embeddings import Kind
from unlearn.models.encoders import TextEncoder
from unlearn.models.memory_plan import Memory, Plan, memory_plan, training_part
from unlearn.models.suite import free_device_memory
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


def defend(
    original: Clip, config: ResolvedConfig, faces: Faces, sources: Sources | None, stages: Stages, memory: Memory = "auto",
    watch: Watch = unwatched,
) -> Defence:  # fmt: skip
    """Fine-tune the encoders that `config.encoder` names.

    Args:
        original: it is not changed.
        config: of the run.
        faces: photos by name; used for "image" and "both" only.
        sources: of `sources_of`.
        stages: of the run, with those of `stages_of`.
        memory: of the settings.
        watch: shown the text encoders at every moment of their fine-tuning.
    """
    defended, tuned, image = original, dict[str, FineTuned[Any]](), None
    if config.encoder in ("text", "both"):
        with stages.stage(TEXT_STAGE) as report:
            defended, tuned_texts = defend_text(original, config, report, memory, watch)
            tuned.update(tuned_texts)
    if sources is not None:
        with stages.stage(IMAGE_STAGE) as report:
            image = defend_image(original, config, faces, sources, _report_of(report, "image"))
            defended = defended.with_image(image.tuned.student)
            tuned["image"] = image.tuned
    return Defence(defended, tuned, image)


def require_texts(config: ResolvedConfig) -> None:
    """Raise `InputError` where a file of captions or of names to keep cannot be used; the Hub is not asked here."""
    for source in (config.text.captions, config.text.kept_names, config.measured_captions):
        if config.encoder != "image" and source and not source.startswith(HUB_PREFIX):
            read_captions(source, config.text.n_captions)


def training_plan(encoder: TextEncoder, config: TextFineTuneConfig, memory: Memory) -> Plan:
    """How many texts of a batch a fine-tuning takes at a time; on a CPU all of them, unless as little memory as possible is asked for."""
    device = encoder.device
    trained = encoder.blocks if config.trainable == "blocks" else encoder
    n_bytes, n_trained = (sum(p.numel() * p.element_size() for p in module.parameters()) for module in (encoder, trained))
    n_layers = max((len(module) for module in encoder.blocks.modules() if isinstance(module, nn.ModuleList)), default=1)
    width = next(iter(encoder.parameters())).shape[-1]
    part = training_part(n_bytes, n_trained, (encoder.context_length, width, n_layers), 2 * config.batch_size)
    return memory_plan("fine-tuning", (part,), free_device_memory(device) if device.type == "cuda" else None, memory, can_wait=False)


def _remark(report: Report, remark: str, progress: Progress) -> None:
    report(replace(progress, remark=remark))


def _report_of(report: Report, encoder: str, number: int = 0, n_encoders: int = 1) -> Report:
    """The report of one encoder's fine-tuning, number `number` (0-based) of equally long ones; one that stops early leaves a gap."""

    def report_encoder(progress: Progress) -> None:
        step = number * progress.total + progress.step
        report(replace(progress, step=step, total=n_encoders * progress.total, encoder=encoder))

    return report_encoder


@dataclass
class _Told:
    """Who is told of one encoder's fine-tuning, and who is shown it; `watched_s` is the time that looking took."""

    encoder: str
    report: Report
    watch: Watch
    watched_s: float = 0.0

    def show(self, moment: Moment, student: TextEncoder) -> None:
        """Let somebody look at the encoder."""
        began = time.perf_counter()
        self.watch(replace(moment, encoder=self.encoder), student)
        self.watched_s += time.perf_counter() - began


def defend_text(
    original: Clip, config: ResolvedConfig, report: Report, memory: Memory = "auto", watch: Watch = unwatched
) -> tuple[Clip, dict[str, FineTuned[TextEncoder]]]:
    """Defend the text encoder in pooled embeddings and hidden states, or two encoders where CLIP and Stable Diffusion share none.

    The schedule is stretched for the number of triggers here, not in the config, so that a run's config.json serves fewer names as well.

    Returns:
        The defended CLIP, and the outcome by encoder: "text" and, where it is not shared, "diffusion_text".
    """
    config = replace(config, text=config.text_schedule)
    if original.is_shared or original.hidden is None:
        kinds: tuple[Any, ...] = ("pooled", "hidden") if original.is_shared else ("pooled",)
        tuned = _forgotten(original.text, config, kinds, _Told("text", _report_of(report, "text"), watch), memory)
        return original.with_text(tuned.student), {"text": tuned}
    encoders: dict[str, tuple[TextEncoder, Kind]] = {}
    if config.text.pooled_weight > 0:
        encoders["text"] = original.text, "pooled"
    if config.text.hidden_weight > 0:
        encoders["diffusion_text"] = original.hidden, "hidden"
    outcomes: dict[str, FineTuned[TextEncoder]] = {}
    for number, (name, (encoder, kind)) in enumerate(encoders.items()):
        told = _Told(name, _report_of(report, name, number, len(encoders)), watch)
        outcomes[name] = _forgotten(encoder, config, (kind,), told, memory)
    text = outcomes["text"].student if "text" in outcomes else original.text
    hidden = outcomes["diffusion_text"].student if "diffusion_text" in outcomes else None
    return original.with_text(text, hidden), outcomes


def _forgotten(
    encoder: TextEncoder, config: ResolvedConfig, kinds: tuple[Kind, ...], told: _Told, memory: Memory
) -> FineTuned[TextEncoder]:
    """One text encoder, in as many passes a step as the memory asks for."""
    plan = training_plan(encoder, config.text, memory)
    report, max_rows = (partial(_remark, told.report, plan.note), plan.samples[0]) if plan.note else (told.report, None)
    tuned = forgotten(encoder, config, kinds, report, max_rows, told.show)
    return replace(tuned, seconds=tuned.seconds - told.watched_s)
