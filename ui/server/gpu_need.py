"""How long a job needs a GPU on ZeroGPU hardware, by its kind and its settings.

The platform takes what a job used from the visitor's daily share, but lends nothing to somebody whose share is smaller than what is
asked for, and who asks for less waits less. The figures below are worked out from the operations of a step and half the speed that such
GPUs are known for; they were never measured on that hardware. `jobs.zero` adds a margin.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ui.server.options import PREPARED_DIR
from unlearn.attacks.recovery.catalogue import ATTACKS, TOTAL_S, attack_kind
from unlearn.config import ForgetConfig, IdiaConfig, PortraitConfig, Settings
from unlearn.jobs import GpuNeed, Task
from unlearn.models.picture_sources import n_drawn
from unlearn.models.sets import ModelSet, find_model_set
from unlearn.runs.results import PREPARED, prepared_folder, read_run

LOAD_S = 12.0  # importing the libraries in the forked process, reading two CLIPs and moving them to the GPU
LOAD_DIFFUSION_S = 8.0
SAVE_S = 5.0
PROMPTS_PER_S, SMALL_PROMPTS_PER_S = 4000.0, 8000.0  # through the text encoder of ViT-L/14, of the smaller ones
N_TEMPLATES = 21  # of the attack
DRAWING_STEP_S = 0.03  # one picture of 512 px with guidance
TEXT_ROW_S, SMALL_TEXT_ROW_S = 0.0006, 0.0002  # one caption of a fine-tuning step, of the same encoders
IMAGE_ROW_S, LARGE_IMAGE_ROW_S = 0.0012, 0.005  # one picture of a fine-tuning step; of ViT-L/14
STOPPED_SHARE = 0.6  # of the steps, where the fine-tuning stops by itself
MAX_DRAWN = 8  # persons of a run whose portraits are drawn
N_FRAMES, FRAME_STEPS = 8, 20  # of the film of a run
PREPARE_FACES = "ui.worker.photos:prepare"
NOTHING = GpuNeed(0.0)


def gpu_need(task: Task) -> GpuNeed:
    """What a task of `ui.worker.tasks` needs; nothing where it looks for faces, and where its model set runs on the CPU."""
    request, device = task.request, Settings.from_plain(task.settings).device
    kind = request.get("kind")
    if kind == "forget":
        config = ForgetConfig.from_json(json.dumps(request["config"]))
        if on_cpu(config.model_set, device):
            return NOTHING
        return GpuNeed(forget_s(config, Settings.from_plain(task.settings)), PREPARE_FACES if request.get("faces") else "")
    if kind == "faces":
        return NOTHING
    model_set = request["model_set"] if kind == "recognise" else _asked_set(request, task.folder)
    if model_set is None or on_cpu(model_set, device):
        return NOTHING
    if kind == "portraits":
        n_pictures = 2 * len(request["seeds"]) * (len(request["texts"]) or 2)
        return GpuNeed(LOAD_S + LOAD_DIFFUSION_S + n_pictures * _drawing_s(request["n_steps"], request["guidance_scale"]))
    if kind in ("audience", "verify"):
        return GpuNeed(LOAD_S + LOAD_DIFFUSION_S + _pictures_s(2, find_model_set(model_set).portraits))
    if kind == "attack":
        is_drawn = not request.get("own_photos")
        return GpuNeed(LOAD_S + _attacks_s(IdiaConfig(**request["idia"]), find_model_set(model_set)) + is_drawn * _one_drawn_s(model_set))
    if kind == "recognise":
        return GpuNeed(LOAD_S + _attacks_s(IdiaConfig(), find_model_set(model_set)) / 2)
    if kind == "recover":
        return GpuNeed(LOAD_S + _recovery_s(request))
    if kind in ("predict", "probe", "own_try"):
        return GpuNeed(LOAD_S + 1.0)
    return GpuNeed(None)


def _recovery_s(request: dict[str, Any]) -> float:
    """The seconds that the attacks of a request may take."""
    budget, kinds = request["budget"], [attack_kind(name) for name in request["attacks"]] or ATTACKS
    return min(TOTAL_S[budget], sum(kind.quick_s if budget == "quick" and kind.is_quick else kind.full_s for kind in kinds))


def on_cpu(model_set: str, device: str) -> bool:
    """True when a set is as well off without a GPU, unless the server's device is one."""
    return device == "cpu" or (device == "auto" and not find_model_set(model_set).needs_gpu)


def _asked_set(request: dict[str, Any], folder: Path) -> str | None:
    """The model set of the run that is asked; None where there is none, which the work says in a sentence."""
    key = str(request.get("run"))
    place = prepared_folder(PREPARED_DIR) if key == PREPARED else folder.parent / key
    run = read_run(key, place) if place is not None else None
    return run.config.model_set if run is not None else None


def forget_s(config: ForgetConfig, settings: Settings) -> float:
    """A whole run: both attacks, fine-tuning, measuring, portraits, saving."""
    model_set = find_model_set(config.model_set)
    seconds = LOAD_S + SAVE_S + _attacks_s(config.idia, model_set)
    if config.encoder != "image":
        seconds += _text_s(config, model_set)
    if config.encoder != "text":
        seconds += _image_s(config, model_set) + sources_s(config, model_set, settings)
    if model_set.diffusion is not None:
        portraits = config.portraits or model_set.portraits
        n_persons = min(len(config.persons), MAX_DRAWN)
        n_pictures = 4 * len(portraits.seeds) * n_persons + (2 + 3 * n_persons if config.dial else 0)
        seconds += LOAD_DIFFUSION_S + _pictures_s(n_pictures, portraits)
        if config.film and config.encoder != "image":
            seconds += N_FRAMES * _drawing_s(min(portraits.n_steps, FRAME_STEPS), portraits.guidance_scale)
        if n_drawn_photos := _n_drawn_photos(config, model_set):
            drawing = (config.drawn_photos or model_set.drawn_photos).drawing(portraits)
            seconds += n_drawn_photos * _drawing_s(drawing.n_steps, drawing.guidance_scale)
    return seconds


def _n_drawn_photos(config: ForgetConfig, model_set: ModelSet) -> int:
    """How many portraits are drawn for the attack, if nobody has photos; those of the controls are kept from the first job on."""
    drawn = config.drawn_photos or model_set.drawn_photos
    lacks_photos = config.encoder == "text" and model_set.world is None
    return drawn.n_portraits * min(len(config.persons), MAX_DRAWN) if lacks_photos else 0


def _one_drawn_s(model_set: str) -> float:
    """Drawing one person in the place of photos; nothing for a set that knows photos, or cannot draw."""
    known = find_model_set(model_set)
    if known.world is not None or known.diffusion is None or not known.drawn_photos.n_portraits:
        return 0.0
    drawing = known.drawn_photos.drawing(known.portraits)
    return LOAD_DIFFUSION_S + len(drawing.seeds) * _drawing_s(drawing.n_steps, drawing.guidance_scale)


def _is_large(model_set: ModelSet) -> bool:
    return "-L-" in model_set.clip.upper() or not model_set.clip


def _attacks_s(idia: IdiaConfig, model_set: ModelSet) -> float:
    """The attack on the original and on the defended model, nothing of it in the cache."""
    return 2 * N_TEMPLATES * idia.n_candidate_names / (PROMPTS_PER_S if _is_large(model_set) else SMALL_PROMPTS_PER_S)


def _drawing_s(n_steps: int, guidance_scale: float) -> float:
    return n_steps * DRAWING_STEP_S * (1.0 if guidance_scale > 1.0 else 0.5)


def _pictures_s(n_pictures: int, portraits: PortraitConfig) -> float:
    return n_pictures * _drawing_s(portraits.n_steps, portraits.guidance_scale)


def _text_s(config: ForgetConfig, model_set: ModelSet) -> float:
    n_triggers = config.n_triggers
    schedule = (config.text or model_set.text_for(config.target)).for_triggers(n_triggers)
    is_shared = model_set.diffusion is None or model_set.name.partition("+")[0] == "sd14"  # one encoder for CLIP and Stable Diffusion
    row_s = TEXT_ROW_S if _is_large(model_set) else SMALL_TEXT_ROW_S
    row_s += 0.0 if is_shared else TEXT_ROW_S  # Stable Diffusion's own is that of ViT-L/14
    return _steps(schedule.n_steps, schedule.early_stop is not None) * sum(schedule.batch_sizes(n_triggers)) * row_s


def _image_s(config: ForgetConfig, model_set: ModelSet) -> float:
    schedule = config.image or model_set.image
    row_s = LARGE_IMAGE_ROW_S if _is_large(model_set) else IMAGE_ROW_S
    return _steps(schedule.n_steps, schedule.early_stop is not None) * 2 * schedule.batch_size * row_s


def sources_s(config: ForgetConfig, model_set: ModelSet, settings: Settings) -> float:
    """Drawing the pictures that the defence of faces needs, as if none of them was kept."""
    portraits: PortraitConfig = config.portraits or model_set.portraits
    n_steps = min(portraits.n_steps, (config.image or model_set.image).drawn_steps)
    return n_drawn(config, model_set, settings) * _drawing_s(n_steps, portraits.guidance_scale)


def _steps(n_steps: int, stops: bool) -> float:
    return n_steps * (STOPPED_SHARE if stops else 1.0)
