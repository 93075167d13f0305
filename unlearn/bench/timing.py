"""How the bench times: its config, the machine, steps in turns, ratios and whether a target is met."""

from __future__ import annotations

import operator
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from unlearn.config import FineTuneConfig
from unlearn.defence.loop import fine_tune
from unlearn.errors import ConfigError
from unlearn.models.encoders import OpenClipText
from unlearn.models.sets import find_model_set
from unlearn.models.tokenization import ClipTokenizer
from unlearn.models.worlds import World
from unlearn.progress import Progress
from unlearn.texts.names import random_names

FULL_SIZE = "ViT-B-32-quickgelu"
POINTS = "abcdefghij"


@dataclass(frozen=True)
class BenchConfig:
    """What is measured.

    Attributes:
        points: letters out of "abcdefghij".
        model_set: of the points that need no full-size model (d to g, and j).
        batch_size: clean samples and as many with a trigger, of (a) and (c); (i) takes half.
        n_steps: of (a), (c) and (i) after a first one that does not count.
        n_names: of (b).
        n_paper_steps: steps of the paper's 400 that are timed for (e); the rest cost the same each.
    """

    points: str = POINTS
    model_set: str = "embedded"
    batch_size: int = 32
    n_steps: int = 3
    n_names: int = 200
    n_paper_steps: int = 10

    def __post_init__(self) -> None:
        if not self.points or set(self.points) - set(POINTS):
            raise ConfigError(f"Points are {self.points!r}; use letters out of {POINTS}.")


def is_met(figures: dict[str, Any]) -> bool | None:
    """Whether all conditions of a point's target hold, such as "ratio >= 5 and loss_difference <= 1e-4"; None: one was not measured."""
    outcomes: list[bool] = []
    for condition in str(figures["target"]).split(" and "):
        key, sign, bound = condition.split()
        if figures[key] is None:
            return None
        outcomes.append({">=": operator.ge, "<=": operator.le, "<": operator.lt}[sign](figures[key], float(bound)))
    return all(outcomes)


def first_name(model_set: str) -> str:
    """Somebody to forget: the first member of the set's world, or a random name where it has none."""
    folder = find_model_set(model_set).world
    members = World(folder).members if folder is not None else ()
    return members[0].name if members else random_names(1, seed=0)[0]


def machine() -> dict[str, Any]:
    """The processor, GPU, threads and torch version that the figures depend on."""
    import platform

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"processor": platform.processor() or platform.machine(), "threads": torch.get_num_threads(), "gpu": gpu,
            "torch": torch.__version__}  # fmt: skip


def full_size_text(device: torch.device | str = "cpu") -> OpenClipText:
    """The text encoder of ViT-B/32 with random weights."""
    return text_encoder(FULL_SIZE, device)


def text_encoder(name: str, device: torch.device | str, n_layers: int | None = None) -> OpenClipText:
    """The text encoder of a model of open_clip with random weights, with all its layers or fewer."""
    from open_clip import CLIP
    from open_clip.factory import get_model_config

    torch.manual_seed(0)
    config = get_model_config(name)
    is_resnet = isinstance(config["vision_cfg"]["layers"], list)
    config["vision_cfg"]["layers"] = [1, 1, 1, 1] if is_resnet else 1  # not used here
    config["text_cfg"]["layers"] = n_layers or config["text_cfg"]["layers"]
    with torch.device(device):
        text = OpenClipText(CLIP(**config), ClipTokenizer(config["text_cfg"]["context_length"]), torch.float32)
    return text.eval().requires_grad_(False)


def alternating(teacher: Any, task: Any, schedule: FineTuneConfig, oracle_step: Callable[[int], Callable[[], float]]) -> dict[str, Any]:
    """Our steps and the oracle's in turns; the first of each does not count.

    Args:
        teacher, task, schedule: of our fine-tuning.
        oracle_step: prepares the oracle's step of a number (0-based), untimed, and returns that step, which is timed and gives its loss.
    """
    ours: list[float] = []
    theirs: list[float] = []
    differences: list[float] = []
    last = time.perf_counter()

    def alternate(progress: Progress) -> None:
        nonlocal last
        ours.append(time.perf_counter() - last)
        step = oracle_step(progress.step - 1)
        started = time.perf_counter()
        loss = step()
        theirs.append(time.perf_counter() - started)
        assert progress.losses is not None  # the loop reports them at every step
        differences.append(abs(loss - progress.losses["total"]))
        last = time.perf_counter()

    fine_tune(teacher, task, schedule, alternate)
    return {**compared(ours[1:], theirs[1:]), "loss_difference": max(differences)}


def compared(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, Any]:
    """Medians in seconds and their ratio (theirs to ours)."""
    own, other = statistics.median(ours), statistics.median(theirs)
    return {"seconds": own, "oracle_seconds": other, "ratio": other / own, "n": len(ours)}
