"""How fast: steps of the fine-tunings of all sets, the attack's prompts, portraits; memory; the distance from the card's rate."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.cuda_check.rows import Row
from tests.cuda_check.sizes import Sizes, diffusion_on, task_of, text_on
from unlearn.attacks.idia import idia_prompts
from unlearn.bench.full_size_memory import training_bound
from unlearn.bench.peak_memory import GIGA, measured_peak
from unlearn.bench.timing import text_encoder
from unlearn.config import PortraitConfig
from unlearn.defence.loop import FineTuning, student_of
from unlearn.models.diffusion import Condition, draw
from unlearn.models.embeddings import Kind, encode
from unlearn.models.sets import find_model_set
from unlearn.texts.names import random_names

LARGE = "ViT-L-14-quickgelu"
POOLED: tuple[Kind, ...] = ("pooled",)
HIDDEN: tuple[Kind, ...] = ("hidden",)
# By set: its text encoders with what they learn. Sets that share none with Stable Diffusion tune that of Stable Diffusion 1.4 as well.
ENCODERS: dict[str, tuple[tuple[str, tuple[Kind, ...]], ...]] = {
    "sd14": ((LARGE, ("pooled", "hidden")),),
    "vit-b-32": (("ViT-B-32-quickgelu", POOLED), (LARGE, HIDDEN)),
    "vit-b-16": (("ViT-B-16", POOLED), (LARGE, HIDDEN)),
    "vit-l-14": (("ViT-L-14", POOLED), (LARGE, HIDDEN)),
    "rn50": (("RN50-quickgelu", POOLED), (LARGE, HIDDEN)),
}
AIMS = {"sd14": 10.0, "attack": 15.0, "portraits": 20.0}  # s, on a card of the class of an H100
MATRIX = 8192  # rows and columns of the products that tell the card's rate


@dataclass(frozen=True)
class Machine:
    """What is measured on: the device, and the precision that work has there."""

    device: torch.device
    kind: torch.dtype

    @classmethod
    def of(cls, device: torch.device) -> Machine:
        has_bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return cls(device, torch.bfloat16 if has_bf16 else torch.float32)

    def seconds(self, work: Callable[[], Any]) -> float:
        """Wall time until the device has done it."""
        self.wait()
        started = time.perf_counter()
        work()
        self.wait()
        return time.perf_counter() - started

    def wait(self) -> None:
        """Until the device has done all that it was told."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def rate(self, side: int) -> float:
        """Operations a second of products of square matrices: what this device reaches at best."""
        left = torch.randn(side, side, device=self.device, dtype=self.kind)
        left @ left
        return 2 * side**3 / min(self.seconds(lambda: left @ left) for _ in range(5))


def speed(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """All rows; on a GPU with the memory that was taken at most."""
    machine = Machine.of(device)
    rate = machine.rate(256 if sizes.is_small else MATRIX)
    yield Row("speed", "products of matrices", rate / 1e12, "TFLOP/s")
    steps: dict[tuple[str, tuple[Kind, ...]], float] = {}
    for encoder in dict.fromkeys(encoder for encoders in ENCODERS.values() for encoder in encoders):
        steps[encoder] = yield from _training(machine, sizes, encoder, rate)
    for name, encoders in ENCODERS.items():
        yield from _schedules(name, sum(steps[encoder] for encoder in encoders), sizes)
    yield from _attack(machine, sizes)
    yield from _portraits(machine, sizes)


def _training(machine: Machine, sizes: Sizes, encoder: tuple[str, tuple[Kind, ...]], rate: float) -> Iterator[Row]:
    """Rows of one encoder; gives the seconds a step."""
    name, kinds = encoder
    shown = f"{name}, {' and '.join(kinds)}"
    teacher = text_on(name, machine.device, sizes, machine.kind)
    task, schedule = task_of(teacher, kinds, sizes.batch_size)
    loop = FineTuning(teacher, student_of(teacher), task, schedule)
    with measured_peak(machine.device) as peaks:
        loop.step(0)
        seconds = machine.seconds(lambda: [loop.step(number) for number in range(1, 1 + sizes.n_steps)]) / sizes.n_steps
    yield Row("speed", f"steps of {shown}", 1 / seconds, "a second")
    floor = step_operations(name, kinds, sizes) / rate
    yield Row("speed", f"time over the floor, {shown}", seconds / floor, "times")
    if peaks:
        yield Row("memory", shown, peaks[0].n_bytes / GIGA, "GB", note=peaks[0].source)
    elif not sizes.is_small:
        bound = training_bound(name, kinds)
        yield Row("memory", shown, bound.n_bytes / GIGA, "GB", note=bound.source)
    return seconds


def step_operations(name: str, kinds: tuple[Kind, ...], sizes: Sizes) -> int:
    """Of one step, counted on the meta device."""
    teacher = text_encoder(name, "meta", sizes.n_layers)
    task, schedule = task_of(teacher, kinds, sizes.batch_size)
    loop = FineTuning(teacher, student_of(teacher), task, schedule)
    with FlopCounterMode(display=False) as counter:
        loop.update(0)
    return int(counter.get_total_flops())


def _schedules(name: str, seconds: float, sizes: Sizes) -> Iterator[Row]:
    schedule = find_model_set(name).text
    stop = schedule.early_stop
    yield Row("speed", f"whole schedule of {name}, {schedule.n_steps} steps", seconds * schedule.n_steps, "s")
    if stop is not None:
        first = -(-max(stop.min_steps, 1) // stop.every) * stop.every + (stop.patience - 1) * stop.every
        aim = None if sizes.is_small else AIMS.get(name)
        yield Row("speed", f"{name} to the earliest stop, step {first}", seconds * first, "s", most=aim)


def _attack(machine: Machine, sizes: Sizes) -> Iterator[Row]:
    encoder = text_on(LARGE, machine.device, sizes, machine.kind)
    prompts = idia_prompts(random_names(sizes.n_names, seed=0))
    encode(encoder, prompts[:64])
    seconds = 2 * machine.seconds(lambda: encode(encoder, prompts))
    yield Row("speed", f"{2 * len(prompts)} prompts of the attack", seconds, "s", most=None if sizes.is_small else AIMS["attack"])


def _portraits(machine: Machine, sizes: Sizes) -> Iterator[Row]:
    diffusion = diffusion_on(machine.device, sizes, machine.kind)
    generator = torch.Generator().manual_seed(1)
    condition = Condition(torch.randn(77, 768, generator=generator), torch.randn(77, 768, generator=generator))
    config = PortraitConfig(seeds=tuple(range(sizes.n_portraits)), n_steps=2 if sizes.is_small else 25)
    draw(diffusion, [condition], PortraitConfig(seeds=(0,), n_steps=1))
    with measured_peak(machine.device) as peaks:
        seconds = machine.seconds(lambda: draw(diffusion, [condition], config))
    what = f"{sizes.n_portraits} portraits, {config.n_steps} steps"
    yield Row("speed", what, seconds, "s", most=None if sizes.is_small else AIMS["portraits"])
    if peaks:
        yield Row("memory", what, peaks[0].n_bytes / GIGA, "GB", note=peaks[0].source)
