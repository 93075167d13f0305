"""How long a job needs a GPU on ZeroGPU hardware, by its kind and its settings.

The platform takes what a job used from the visitor's daily share, but lends nothing to somebody whose share is smaller than what is
asked for, and who asks for less waits less. The figures below are worked out from the operations of a step and half the speed that such
GPUs are known for; they were never measured on that hardware. `jobs.zero` adds a margin.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from unlearn.config import ForgetConfig, IdiaConfig, ImageFineTuneConfig, PortraitConfig, Settings
from unlearn.jobs import GpuNeed
from unlearn.models.sets import EMBEDDED_ROOT, ModelSet, find_model_set, folder_set
from unlearn.runs.results import PREPARED

LOAD_S = 12.0  # importing the libraries in the forked process, reading two CLIPs and moving them to the GPU
LOAD_DIFFUSION_S = 8.0
SAVE_S = 5.0
PROMPTS_PER_S, SMALL_PROMPTS_PER_S = 4000.0, 8000.0  # through the text encoder of ViT-L/14, of the smaller ones
N_TEMPLATES = 21  # of the attack
DRAWING_STEP_S = 0.03  # one picture of 512 px with guidance
TEXT_ROW_S, SMALL_TEXT_ROW_S = 0.0006, 0.0002  # one caption of a fine-tuning step, of the same encoders
IMAGE_ROW_S, LARGE_IMAGE_ROW_S = 0.0012, 0.005  # one picture of a fine-tuning step; of ViT-L/14
STOPPED_SHARE = 0.6  # of the steps, where the fine-tuning stops by itself
STAND_IN_PORTRAITS, SPARE_STAND_INS = 6, 4  # portraits of a face's stand-in that are drawn, and stand-ins beyond those needed
MAX_DRAWN = 8  # persons of a run whose portraits are drawn
PREPARE_FACES = "ui.worker.photos:prepare"
NOTHING = GpuNeed(0.0)


def gpu_need(work: str, request: dict[str, Any], folder: Path) -> GpuNeed:
    """What a job needs; nothing where it looks for faces, and where its model set runs on the CPU.

    Args:
        work: "module:function"; what it does is told by the request's kind.
        request: of `ui.worker.tasks`.
        folder: the job's own; finished runs lie beside it.
    """
    kind = request.get("kind")
    if kind == "forget":
        config = ForgetConfig.from_json(json.dumps(request["config"]))
        if on_cpu(config.model_set):
            return NOTHING
        return GpuNeed(forget_s(config), PREPARE_FACES if request.get("faces") else "")
    if kind == "faces" or on_cpu(_asked_set(request, folder)):
        return NOTHING
    if kind == "portraits":
        n_pictures = 2 * len(request["seeds"]) * (len(request["texts"]) or 2)
        return GpuNeed(LOAD_S + LOAD_DIFFUSION_S + n_pictures * _drawing_s(request["n_steps"], request["guidance_scale"]))
    if kind == "attack":
        return GpuNeed(LOAD_S + _attacks_s(IdiaConfig(**request["idia"]), find_model_set(_asked_set(request, folder))))
    if kind in ("predict", "probe"):
        return GpuNeed(LOAD_S + 1.0)
    return GpuNeed(None)


def on_cpu(model_set: str) -> bool:
    """True when a set is as well off without a GPU: the shipped one, unless the server was told to use a GPU."""
    device, found = Settings.from_environment().device, find_model_set(model_set)
    shipped = folder_set("embedded", EMBEDDED_ROOT)
    is_shipped = found.clip_folder == shipped.clip_folder and found.diffusion in (None, shipped.diffusion)
    return device == "cpu" or (device == "auto" and is_shipped)


def _asked_set(request: dict[str, Any], folder: Path) -> str:
    if request.get("run") == PREPARED:
        return "embedded"
    path = folder.parent / str(request.get("run")) / "config.json"
    return ForgetConfig.from_json(path.read_text(encoding="utf-8")).model_set if path.is_file() else "embedded"


def forget_s(config: ForgetConfig) -> float:
    """A whole run: both attacks, fine-tuning, measuring, portraits, saving."""
    found = find_model_set(config.model_set)
    seconds = LOAD_S + SAVE_S + _attacks_s(config.idia, found)
    if config.encoder != "image":
        seconds += _text_s(config, found)
    if config.encoder != "text":
        seconds += _image_s(config, found)
    if found.diffusion is not None:
        portraits = config.portraits or found.portraits
        n_pictures = 4 * len(portraits.seeds) * min(len(config.persons), MAX_DRAWN)
        seconds += LOAD_DIFFUSION_S + n_pictures * _drawing_s(portraits.n_steps, portraits.guidance_scale)
    return seconds


def _is_large(found: ModelSet) -> bool:
    return "-L-" in found.clip.upper() or not found.clip


def _attacks_s(idia: IdiaConfig, found: ModelSet) -> float:
    """The attack on the original and on the defended model, nothing of it in the cache."""
    return 2 * N_TEMPLATES * idia.n_candidate_names / (PROMPTS_PER_S if _is_large(found) else SMALL_PROMPTS_PER_S)


def _drawing_s(n_steps: int, guidance_scale: float) -> float:
    return n_steps * DRAWING_STEP_S * (1.0 if guidance_scale > 1.0 else 0.5)


def _text_s(config: ForgetConfig, found: ModelSet) -> float:
    n_triggers = config.n_triggers
    schedule = (config.text or found.text_for(config.target)).for_triggers(n_triggers)
    is_shared = found.diffusion is None or found.name.partition("+")[0] == "sd14"  # one encoder for CLIP and Stable Diffusion
    row_s = TEXT_ROW_S if _is_large(found) else SMALL_TEXT_ROW_S
    row_s += 0.0 if is_shared else TEXT_ROW_S  # Stable Diffusion's own is that of ViT-L/14
    return _steps(schedule.n_steps, schedule.early_stop is not None) * sum(schedule.batch_sizes(n_triggers)) * row_s


def _image_s(config: ForgetConfig, found: ModelSet) -> float:
    schedule = config.image or found.image
    row_s = LARGE_IMAGE_ROW_S if _is_large(found) else IMAGE_ROW_S
    seconds = _steps(schedule.n_steps, schedule.early_stop is not None) * 2 * schedule.batch_size * row_s
    portraits: PortraitConfig = config.portraits or found.portraits
    return seconds + _n_faces_drawn(config, schedule, found) * _drawing_s(portraits.n_steps, portraits.guidance_scale)


def _n_faces_drawn(config: ForgetConfig, schedule: ImageFineTuneConfig, found: ModelSet) -> int:
    """How many portraits the set's own Stable Diffusion draws as targets, where there are no photos."""
    photos = schedule.face_targets if config.target == "stand_in" else schedule.average_face_photos
    if photos is not None or found.world is not None:
        return 0
    return STAND_IN_PORTRAITS * (len(config.persons) + SPARE_STAND_INS) if config.target == "stand_in" else schedule.n_average_faces


def _steps(n_steps: int, stops: bool) -> float:
    return n_steps * (STOPPED_SHARE if stops else 1.0)
