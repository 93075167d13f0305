"""Points (d) and (f) of the bench, which start processes: drawing portraits with its peak memory, and a whole run from a cold start."""

from __future__ import annotations

import copy
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unlearn.bench.timing import BenchConfig, first_name
from unlearn.config import PortraitConfig, Settings
from unlearn.errors import UnlearnError
from unlearn.models.clip import Clip, resolve_device
from unlearn.models.diffusion import Diffusion
from unlearn.models.pair import Pair
from unlearn.models.suite import suite_of
from unlearn.models.weights import find_diffusion
from unlearn.runs.portraits import draw_prompts

PROMPTS = ("a portrait of Ada Brook", "a portrait of a human")
SEEDS = (0, 1)
ROUNDS = 2
NOISE = 0.01  # added to the weights of the bench's "defended" encoder, as shares of their spread


def portraits(config: BenchConfig, settings: Settings) -> dict[str, Any]:
    """(d) Four conditions x 2 seeds in one batch against one picture at a time from two pipelines."""
    chosen, diffusion, models = _prepared(config.model_set, settings)
    pipelines = [_pipeline(config.model_set, settings, clip) for clip in models]
    ours: list[float] = []
    theirs: list[float] = []
    difference = 0
    for _ in range(ROUNDS):
        started = time.perf_counter()
        drawn = draw_prompts(diffusion, models, PROMPTS, chosen)
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        expected = [
            _draw_one(pipeline, prompt, seed, chosen) for prompt in PROMPTS for seed in SEEDS for pipeline in pipelines
        ]
        theirs.append(time.perf_counter() - started)
        pairs = zip(drawn, expected, strict=True)
        difference = max(int(np.abs(portrait.image.astype(int) - picture).max()) for portrait, picture in pairs)
    peaks = {name: _peak(name, config.model_set, settings) for name in ("ours", "pipeline")}
    return {
        "seconds": min(ours), "oracle_seconds": min(theirs), "ratio": min(theirs) / min(ours),
        "difference_levels": difference, "peak_bytes": peaks["ours"], "pipeline_peak_bytes": peaks["pipeline"],
        "memory_ratio": peaks["ours"] / peaks["pipeline"], "target": "ratio >= 1.3 and memory_ratio <= 1.15",
    }  # fmt: skip


def _prepared(model_set: str, settings: Settings) -> tuple[PortraitConfig, Diffusion, Pair[Clip]]:
    suite = suite_of(model_set, settings)
    original = suite.clip
    chosen = PortraitConfig(**{**vars(original.model_set.portraits), "seeds": SEEDS})
    student = copy.deepcopy(original.hidden)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in student.parameters() if student is not None else ():
            if parameter.dim() > 1:
                noise = torch.randn(parameter.shape, generator=generator).to(parameter.device)
                parameter.add_(noise * parameter.std() * NOISE)
    defended = original.with_text(student, student) if original.is_shared else original.with_text(original.text, student)  # type: ignore[arg-type]
    return chosen, suite.diffusion(), Pair(original, defended)


def _pipeline(model_set: str, settings: Settings, clip: Clip) -> Any:
    """A pipeline of its own whose text encoder holds the CLIP's weights, as another program would make it."""
    from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline

    from unlearn.models.defended import transformers_state
    from unlearn.models.diffusion_text import PREFIX

    folder = find_diffusion(clip.model_set, settings)
    pipeline = StableDiffusionPipeline.from_pretrained(folder, local_files_only=True, safety_checker=None)
    assert clip.hidden is not None  # `find_diffusion` would have failed
    state = {name.removeprefix(PREFIX): tensor for name, tensor in transformers_state(clip.hidden).items()}
    pipeline.text_encoder.load_state_dict(state)
    if clip.model_set.portraits.scheduler == "DPMSolverMultistepScheduler":
        pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(resolve_device(settings))


def _draw_one(pipeline: Any, prompt: str, seed: int, chosen: PortraitConfig) -> np.ndarray:
    drawn = pipeline(
        prompt, num_inference_steps=chosen.n_steps, guidance_scale=chosen.guidance_scale,
        generator=torch.Generator("cpu").manual_seed(seed),
    )  # fmt: skip
    return np.asarray(drawn.images[0]).astype(int)


def _peak(side: str, model_set: str, settings: Settings) -> int:
    """Peak resident memory, in bytes, of a process that draws once: our way ("ours") or with a pipeline ("pipeline")."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_draw_once, args=(side, model_set, settings, queue))
    process.start()
    peak_bytes: int = queue.get()
    process.join()
    return peak_bytes


def _draw_once(side: str, model_set: str, settings: Settings, queue: Any) -> None:
    from unlearn.memory import keep_freed_memory

    keep_freed_memory()
    if side == "ours":
        chosen, diffusion, models = _prepared(model_set, settings)
        draw_prompts(diffusion, models, PROMPTS, chosen)
    else:
        original = suite_of(model_set, settings).clip  # so that both hold the CLIP, as a program that compares them does
        _draw_one(_pipeline(model_set, settings, original), PROMPTS[0], SEEDS[0], original.model_set.portraits)
    queue.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def whole_run(config: BenchConfig, settings: Settings) -> dict[str, Any]:
    """(f) `forget` of one name from a cold start: new process, empty cache, 2 x 2 portraits for 2 seeds."""
    from unlearn.runs.json_types import to_json
    from unlearn.runs.results import finished_run

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        command = [
            sys.executable, "-m", "unlearn", "--data-dir", str(Path(folder) / "data"), "--device", settings.device,
            "forget", "--set", config.model_set, "--name", first_name(config.model_set),
            "--portrait-seeds", "2", "--out", str(out),
        ]  # fmt: skip
        started = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - started
        if done.returncode != 0:
            raise UnlearnError(f"`forget` ended with {done.returncode}: {done.stderr.strip()[-300:]}")
        metrics = to_json(finished_run(out).metrics)
    return {"seconds": seconds, "stages": metrics["seconds"], "persons": metrics["persons"], "target": "seconds < 60"}
