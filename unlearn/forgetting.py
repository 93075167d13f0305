"""One run of forgetting from beginning to end: attack, fine-tune, attack again, measure, draw, save.

The only place where the stages meet; each of them lives in a module of its own.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from unlearn.clip import Clip, load_clip, resolve_device, resolve_precision
from unlearn.config import ForgetConfig, Report, Settings
from unlearn.diffusion import load_diffusion
from unlearn.embeddings import EmbeddingCache
from unlearn.encoders import TextEncoder
from unlearn.errors import ConfigError
from unlearn.finetune import FineTuned, fine_tune
from unlearn.gallery import Gallery, Photos, build_gallery, prompt_embeddings
from unlearn.measurements import Prober, default_probes, measuring_captions, predictions, similarities, utility
from unlearn.pictures import MAX_PERSONS, write_png, write_portraits
from unlearn.report import write_report
from unlearn.run_folder import Attacked, attack_metrics, prepare, write_attack, write_manifest, write_results
from unlearn.stages import Stages
from unlearn.store import disk_errors, save_defended, write_json
from unlearn.text_task import text_task
from unlearn.weights import find_diffusion
from unlearn.worlds import World

N_PHOTOS_SHOWN = 2  # per person, with predictions
SHARES = {
    "loading": 6.0, "attack on the original": 16.0, "fine-tuning": 40.0, "attack on the defended": 14.0,
    "measuring": 8.0, "portraits": 14.0, "saving": 2.0,
}  # fmt: skip
Models = tuple[Clip, Clip]  # (original, defended)
Prompts = tuple[Tensor, Tensor]


def cache_folder(settings: Settings) -> Path:
    """Where embeddings of original models are kept."""
    return settings.data_dir / "cache" / "embeddings"


def fill_defaults(config: ForgetConfig, original: Clip) -> ForgetConfig:
    """The config with the model set's defaults where it says None."""
    defaults = original.model_set
    return replace(
        config,
        text=config.text or defaults.text,
        image=config.image or defaults.image,
        portraits=config.portraits or defaults.portraits,
    )


def world_of(clip: Clip) -> World | None:
    """The world of the CLIP's model set; None where it has none."""
    return World(clip.model_set.world) if clip.model_set.world is not None else None


def run_forgetting(
    config: ForgetConfig, settings: Settings, out: Path, report: Report, photos: Photos | None = None
) -> dict[str, Any]:
    """Forget the persons of the config and measure what changed; see `experiment.forget`."""
    started = time.perf_counter()
    if config.encoder != "text":
        raise ConfigError(f"encoder is {config.encoder!r}; names are forgotten by the text encoder: use text.")
    stages = Stages(report, SHARES)
    with stages.stage("loading"):
        original = load_clip(config.model_set, settings)
        config = fill_defaults(config, original)
        prepare(out, original)
        world = world_of(original)
        gallery = build_gallery(original, world, config.persons, config.idia, photos)
    with stages.stage("attack on the original") as inner:
        first = prompt_embeddings(original.text, gallery, EmbeddingCache(cache_folder(settings)), inner)
        before = _attack(gallery, first, world, config)
    with stages.stage("fine-tuning") as inner:
        defended, tuned = defend_text(original, config, inner)
    models = (original, defended)
    with stages.stage("attack on the defended") as inner:
        second = prompt_embeddings(defended.text, gallery, EmbeddingCache(out / "cache"), inner)
        after = _attack(gallery, second, world, config)
    with stages.stage("measuring"):
        metrics = {**attack_metrics(before, after), **_measure(models, config, world)}
        write_attack(out, before, after)
        _write_probes(out, Prober(models, gallery, (first, second), config.neutral_term, world), config, world)
        _write_predictions(out, models, config, world, photos)
    with stages.stage("portraits") as inner:
        is_drawn = _draw(out, models, config, settings, inner)
    with stages.stage("saving"):
        write_json(out / "losses.json", [{"encoder": name, **row} for name, part in tuned.items() for row in part.losses])
        save_defended(out / "defended", original, defended)
    metrics["fine_tuning"] = {name: _summary(part) for name, part in tuned.items()}
    metrics["seconds"] = _seconds(stages, tuned, is_drawn, started)
    write_results(out, config, metrics)
    write_report(out)
    write_manifest(out, config, metrics, str(original.text.device))
    stages.finish()
    return metrics


def _attack(gallery: Gallery, prompts: Tensor, world: World | None, config: ForgetConfig) -> Attacked:
    names = [person.name for person in config.persons]
    others = [inhabitant for inhabitant in world.inhabitants if inhabitant.name in gallery.photos] if world else []
    others = [inhabitant for inhabitant in others if inhabitant.name not in names]
    members = [inhabitant.name for inhabitant in others if inhabitant.member]
    strangers = [inhabitant.name for inhabitant in others if not inhabitant.member]
    found = gallery.attack(prompts, [*names, *members, *strangers])
    n_bystanders = len(names) + len(members)
    return Attacked(found[: len(names)], found[len(names) : n_bystanders], found[n_bystanders:])


def defend_text(
    original: Clip, config: ForgetConfig, report: Report
) -> tuple[Clip, dict[str, FineTuned[TextEncoder]]]:
    """Fine-tune the text encoder on pooled embeddings and hidden states; two encoders where they are not shared.

    Returns:
        The defended CLIP, and the outcome by encoder: "text" and, where it is not shared, "diffusion_text".
    """
    assert config.text is not None  # filled in by `fill_defaults`
    if original.is_shared or original.hidden is None:
        kinds: tuple[Any, ...] = ("pooled", "hidden") if original.is_shared else ("pooled",)
        tuned = fine_tune(original.text, text_task(original.text, config, kinds), config.text, report)
        return original.with_text(tuned.student), {"text": tuned}
    parts: dict[str, FineTuned[TextEncoder]] = {}
    if config.text.pooled_weight > 0:
        task = text_task(original.text, config, ("pooled",))
        parts["text"] = fine_tune(original.text, task, config.text, report)
    if config.text.hidden_weight > 0:
        task = text_task(original.hidden, config, ("hidden",))
        parts["diffusion_text"] = fine_tune(original.hidden, task, config.text, report)
    text = parts["text"].student if "text" in parts else original.text
    hidden = parts["diffusion_text"].student if "diffusion_text" in parts else None
    return original.with_text(text, hidden), parts


def _measure(models: Models, config: ForgetConfig, world: World | None) -> dict[str, Any]:
    """Similarities, utility and hashes for metrics.json."""
    original, defended = models
    captions = measuring_captions(config.persons, config.neutral_term, config.seed)
    pooled: dict[str, float | None] = dict.fromkeys(("sim_clean", "sim_backdoor", "sim_target"))
    if defended.text is not original.text:
        pooled = dict(similarities((original.text, defended.text), captions, config.persons, config.neutral_term))
    hidden = None
    if original.hidden is not None and defended.hidden is not None and defended.hidden is not original.hidden:
        pair = (original.hidden, defended.hidden)
        hidden = similarities(pair, captions, config.persons, config.neutral_term, "hidden")
    return {
        **pooled,
        "hidden": hidden,
        "utility": utility(original, defended, world.things if world else None),
        "weights": {"original": original.text.weights_hash, "defended": defended.text.weights_hash},
    }


def _write_probes(out: Path, prober: Prober, config: ForgetConfig, world: World | None) -> None:
    rows = []
    for index, person in enumerate(config.persons[:MAX_PERSONS]):
        wanted = default_probes(person, config.neutral_term, world.neutral_terms if world else ())
        probed = prober.probe([row["text"] for row in wanted], person.name)
        rows += [{"person_index": index, **kind, **found} for kind, found in zip(wanted, probed, strict=True)]
    write_json(out / "probes.json", rows)


def _write_predictions(
    out: Path, models: Models, config: ForgetConfig, world: World | None, photos: Photos | None
) -> None:
    """Predictions for a few photos of each person, written beside them; labels are everybody's names."""
    others = [inhabitant.name for inhabitant in world.members] if world else []
    named = [person.name for person in config.persons]
    labels = list(dict.fromkeys([*named, config.neutral_term, *others]))
    rows: list[dict[str, Any]] = []
    for index, person in enumerate(config.persons[:MAX_PERSONS]):
        shown = _photos_of(person.name, world, photos)[:N_PHOTOS_SHOWN]
        for number, image in enumerate(shown):
            file = f"photos/p{index:02d}-{number}.png"
            with disk_errors(str(out)):
                (out / "photos").mkdir(exist_ok=True)
            write_png(out / file, image)
            (row,) = predictions(*models, image[None], labels)
            rows.append({"photo": file, "person_index": index, "name": person.name, **row})
    write_json(out / "predictions.json", rows)


def _photos_of(name: str, world: World | None, photos: Photos | None) -> Sequence[np.ndarray]:
    if photos is not None and name in photos:
        return photos[name]
    inhabitant = world.find(name) if world is not None else None
    return list(world.photos(inhabitant)) if world is not None and inhabitant is not None else []


def _draw(out: Path, models: Models, config: ForgetConfig, settings: Settings, report: Report) -> bool:
    """Whether portraits were drawn: a model set without diffusion model has none."""
    if models[0].model_set.diffusion is None:
        return False
    device = resolve_device(settings)
    folder = find_diffusion(models[0].model_set, settings)
    diffusion = load_diffusion(folder, device, resolve_precision(settings, device))
    write_portraits(out / "portraits", diffusion, models, config, report)
    return True


def _summary(part: FineTuned[TextEncoder]) -> dict[str, Any]:
    return {"n_steps_done": part.n_steps_done, "stopped": part.stopped, "checks": part.checks}


def _seconds(
    stages: Stages, tuned: dict[str, FineTuned[TextEncoder]], is_drawn: bool, started: float
) -> dict[str, float | None]:
    took = stages.seconds
    return {
        "loading": took["loading"],
        "fine_tune": sum(part.seconds for part in tuned.values()),
        "attack": took["attack on the original"] + took["attack on the defended"],
        "measure": took["measuring"],
        "portraits": took["portraits"] if is_drawn else None,
        "total": time.perf_counter() - started,
    }
