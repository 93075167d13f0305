"""What each way of computing a step brings: float32, bf16, one kernel for AdamW, torch.compile, CUDA graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from unittest import mock

import torch

from tests.cuda_check.rows import Row
from tests.cuda_check.sizes import Sizes, task_of, text_on
from tests.cuda_check.speed import Machine
from unlearn.defence.loop import FineTuning, student_of
from unlearn.models import encoders
from unlearn.models.encoders import OpenClipText

NAME = "ViT-B-32-quickgelu"
N_WARM = 3


def variants(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """Milliseconds a step of ViT-B/32 with both losses; what a device does not have is told."""
    machine = Machine.of(device)
    yield _row("fp32", lambda: _step_ms(machine, sizes, torch.float32))
    if machine.kind is torch.float32:
        yield Row("variants", "bf16", None, note="this device has none")
    else:
        yield _row("bf16", lambda: _step_ms(machine, sizes, machine.kind))
    yield _row("without the fused AdamW", lambda: _step_ms(machine, sizes, machine.kind, fused=False))
    for what, mode in (("torch.compile", "default"), ("CUDA graphs (compile, reduce-overhead)", "reduce-overhead")):
        if sizes.compiles and device.type == "cuda":
            yield _row(what, lambda mode=mode: _compiled_ms(machine, sizes, mode))  # type: ignore[misc]
        else:
            yield Row("variants", what, None, note="on a GPU only")


def _row(what: str, measure: Callable[[], float]) -> Row:
    try:
        return Row("variants", what, measure(), "ms a step")
    except Exception as error:  # a compiler may fail in any way; the other variants are measured all the same
        return Row("variants", what, None, note=f"failed with {type(error).__name__}")


def _step_ms(machine: Machine, sizes: Sizes, kind: torch.dtype, fused: bool = True) -> float:
    teacher: OpenClipText = text_on(NAME, machine.device, sizes, kind)
    task, schedule = task_of(teacher, ("pooled", "hidden"), sizes.batch_size)
    loop = FineTuning(teacher, student_of(teacher), task, schedule)
    if not fused:
        loop.optimizer = torch.optim.AdamW(loop.trained, lr=schedule.learning_rate, weight_decay=0.0, foreach=True)
    n_warm = 1 if sizes.is_small else N_WARM
    for number in range(n_warm):
        loop.step(number)
    return 1000 * machine.seconds(lambda: [loop.step(n_warm + number) for number in range(sizes.n_steps)]) / sizes.n_steps


def _compiled_ms(machine: Machine, sizes: Sizes, mode: str) -> float:
    compiled = torch.compile(encoders.run_blocks, mode=mode, dynamic=False)
    with mock.patch.object(encoders, "run_blocks", compiled):
        return _step_ms(machine, sizes, machine.kind)
