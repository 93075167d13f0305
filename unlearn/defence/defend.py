"""The defences of a run: which encoders are fine-tuned on what, and both students put into one CLIP.

Text encoders on names, the image encoder on faces (`image_defence`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from unlearn.config import ForgetConfig, ResolvedConfig, Settings
from unlearn.defence.image_defence import ImageDefence, defend_image, read_sources
from unlearn.defence.loop import FineTuned, fine_tune
from unlearn.defence.text_task import text_task
from unlearn.hub import HUB_PREFIX
from unlearn.models.clip import Clip
from unlearn.models.embeddings import Kind
from unlearn.models.encoders import TextEncoder
from unlearn.models.worlds import World
from unlearn.photos.face_sets import Faces
from unlearn.progress import Progress, Report, Stages
from unlearn.texts.captions import read_captions

TEXT_STAGE, IMAGE_STAGE = "fine-tuning", "fine-tuning faces"


@dataclass(frozen=True)
class Defence:
    """The defended CLIP, the outcomes by encoder ("text", "diffusion_text", "image"), and more about the image's."""

    defended: Clip
    tuned: dict[str, FineTuned[Any]]
    image: ImageDefence | None = None


def stages_of(config: ForgetConfig) -> dict[str, float]:
    """The stages of `defend`, with their shares of the time."""
    return {
        **({TEXT_STAGE: 40.0} if config.encoder in ("text", "both") else {}),
        **({IMAGE_STAGE: 40.0} if config.encoder in ("image", "both") else {}),
    }


def defend(
    original: Clip, config: ResolvedConfig, faces: Faces, world: World | None, within: tuple[Settings, Stages]
) -> Defence:
    """Fine-tune what `config.encoder` names.

    Args:
        original: it is not changed.
        config: with the set's defaults filled in.
        faces: photos by name; looked at for "image" and "both" only.
        world: of the model set.
        within: settings of the process, and the stages whose part this is.
    """
    settings, stages = within
    defended, tuned, image, sources = original, dict[str, FineTuned[Any]](), None, None
    if config.encoder in ("text", "both"):
        with stages.stage(TEXT_STAGE) as report:
            if config.encoder == "both":  # what may fail in it must not cost a text encoder that is done
                sources = read_sources(original, config, settings, world, partial(_waiting, report))
            defended, parts = defend_text(original, config, report)
            tuned.update(parts)
    if config.encoder in ("image", "both"):
        with stages.stage(IMAGE_STAGE) as report:
            if sources is None:  # drawing faces may take a while and can be cancelled
                sources = read_sources(original, config, settings, world, partial(_waiting, report))
            image = defend_image(original, config, faces, sources, _part(report, "image"))
            defended = defended.with_image(image.tuned.student)
            tuned["image"] = image.tuned
    return Defence(defended, tuned, image)


def require_texts(config: ResolvedConfig) -> None:
    """Raise `InputError` where a file of captions or of names to keep cannot be used; the Hub is asked when it is needed."""
    for source in (config.text.captions, config.text.kept_names):
        if config.encoder != "image" and source and not source.startswith(HUB_PREFIX):
            read_captions(source, config.text.n_captions)


def _waiting(report: Report, progress: Progress) -> None:
    report(Progress(0, 1, progress.note))


def _part(report: Report, encoder: str, number: int = 0, n_parts: int = 1) -> Report:
    """The report of one encoder's fine-tuning, which is the `number`-th of equally long parts; one that ends early leaves a gap."""

    def tell(progress: Progress) -> None:
        step = number * progress.total + progress.step
        report(replace(progress, step=step, total=n_parts * progress.total, encoder=encoder))

    return tell


def defend_text(
    original: Clip, config: ResolvedConfig, report: Report
) -> tuple[Clip, dict[str, FineTuned[TextEncoder]]]:
    """Fine-tune the text encoder on pooled embeddings and hidden states; two encoders where they are not shared.

    Returns:
        The defended CLIP, and the outcome by encoder: "text" and, where it is not shared, "diffusion_text".
    """
    if original.is_shared or original.hidden is None:
        kinds: tuple[Any, ...] = ("pooled", "hidden") if original.is_shared else ("pooled",)
        tuned = fine_tune(original.text, text_task(original.text, config, kinds), config.text, _part(report, "text"))
        return original.with_text(tuned.student), {"text": tuned}
    encoders: dict[str, tuple[TextEncoder, Kind]] = {}
    if config.text.pooled_weight > 0:
        encoders["text"] = original.text, "pooled"
    if config.text.hidden_weight > 0:
        encoders["diffusion_text"] = original.hidden, "hidden"
    parts: dict[str, FineTuned[TextEncoder]] = {}
    for number, (name, (encoder, kind)) in enumerate(encoders.items()):
        task = text_task(encoder, config, (kind,))
        parts[name] = fine_tune(encoder, task, config.text, _part(report, name, number, len(encoders)))
    text = parts["text"].student if "text" in parts else original.text
    hidden = parts["diffusion_text"].student if "diffusion_text" in parts else None
    return original.with_text(text, hidden), parts
