"""A whole run on the embedded set: the original recognises the person, the defended model does not, the rest is kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import torch

from tests.cuda_check.rows import Row
from tests.cuda_check.sizes import Sizes
from unlearn.config import ForgetConfig, IdiaConfig, Person, PortraitConfig, Settings
from unlearn.models.sets import find_model_set
from unlearn.runs.forgetting import forget

NAME = "Marcus Bellwyn"  # a member of the drawn world
N_TEMPLATES = 21
REHEARSED_NAMES = 100  # to choose among, instead of 1,000; everybody of the world stands among them


def whole_run(device: torch.device, sizes: Sizes, out: Path) -> Iterator[Row]:
    """Rows with the bars of a run."""
    portraits = find_model_set("embedded").portraits
    if sizes.is_small:
        portraits = PortraitConfig(seeds=(0,), n_steps=1, guidance_scale=portraits.guidance_scale, scheduler=portraits.scheduler)
    attack = IdiaConfig(n_candidate_names=REHEARSED_NAMES) if sizes.is_small else IdiaConfig()
    config = ForgetConfig((Person(NAME),), idia=attack, portraits=portraits, opponent="off" if sizes.is_small else "quick")
    started = time.perf_counter()
    metrics = forget(config, Settings(out / "data", device=str(device), offline=True), out / "run")
    yield Row("whole run", "time", time.perf_counter() - started, "s")
    outcome = metrics.persons[0].idia
    for when, found, bars in (("original", outcome.original, {"least": N_TEMPLATES}), ("defended", outcome.defended, {"most": 0})):
        yield Row("whole run", f"prompts of {N_TEMPLATES} that name the person, {when}", found.correct_templates, **bars)
    for name in ("sim_clean", "sim_backdoor", "sim_target"):
        yield Row("whole run", name, getattr(metrics, name), least=0.95)
    missing = [warning for warning in metrics.warnings if " missing: " in warning]
    yield Row("whole run", "parts that failed", len(missing), most=0, note="; ".join(missing))
    yield Row("whole run", "portraits", len(list((out / "run" / "portraits").glob("*.png"))), least=4 * len(portraits.seeds))
