"""A resumable training loop: checkpoints, a learning-rate schedule, a log line a minute.

Batches are drawn from a generator seeded with the step's number, so that a run that was stopped goes on
exactly as if it had not been.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .files import written_whole

Loss = tuple[Tensor, dict[str, float]]


@dataclass(frozen=True)
class Schedule:
    """Warm-up, then a half cosine from `peak` to `floor` over `n_steps`."""

    n_steps: int
    peak: float
    floor: float = 0.0
    warmup: int = 100

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        if step < self.warmup:
            return self.peak * (step + 1) / self.warmup
        share = (step - self.warmup) / max(1, self.n_steps - self.warmup)
        return self.floor + (self.peak - self.floor) * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))


def batch_rng(seed: int, step: int) -> np.random.Generator:
    """The random stream of one step."""
    return np.random.default_rng([seed, step])


def train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: Schedule,
    step_loss: Callable[[int], Loss],
    checkpoint: Path,
    after_step: Callable[[int], None] = lambda step: None,
    every: int = 200,
) -> None:
    """Run the schedule to its end; an existing checkpoint is taken up where it stopped.

    `step_loss(step)` returns the loss and figures to print; state other than the model's that must survive
    (an average of the weights) belongs in a sub-module of `model`.
    """
    start = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        start = int(state["step"])
    figures: dict[str, float] = {}
    started = printed = time.monotonic()
    for step in range(start, schedule.n_steps):
        torch.manual_seed(step)
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(step) * group.get("lr_scale", 1.0)
        loss, figures = step_loss(step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        after_step(step)
        if time.monotonic() - printed > 30 or step + 1 == schedule.n_steps:
            printed = time.monotonic()
            rate = (printed - started) / (step + 1 - start)
            text = " ".join(f"{k} {v:.4f}" for k, v in figures.items())
            print(f"{checkpoint.stem} {step + 1}/{schedule.n_steps} {rate:.2f} s/step, {rate * (schedule.n_steps - step - 1) / 60:.0f} min left: {text}", flush=True)
        if (step + 1) % every == 0 or step + 1 == schedule.n_steps:
            _save(checkpoint, model, optimizer, step + 1)


def _save(checkpoint: Path, model: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    with written_whole(checkpoint) as partial:
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, partial)


@contextmanager
def half_precision() -> Iterator[None]:
    """bf16 matrix products and convolutions on CPUs that have them, attention in fp32; nothing at all on other CPUs.

    With AVX-512 bf16 the products are two to three times faster; the backward of the fused bf16 attention is five times
    slower than that of the fp32 one (measured), so attention is kept out of it. Without it bf16 is about nine times slower.
    """
    if not torch.cpu._is_avx512_bf16_supported():
        yield
        return
    fused = F.scaled_dot_product_attention

    def attention(query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            if kwargs.get("attn_mask") is not None:
                kwargs["attn_mask"] = kwargs["attn_mask"].float()
            return fused(query.float(), key.float(), value.float(), *args, **kwargs)

    F.scaled_dot_product_attention = attention
    try:
        with torch.autocast("cpu", torch.bfloat16):
            yield
    finally:
        F.scaled_dot_product_attention = fused
