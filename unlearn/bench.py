"""The bench: how long things take against the paper's algorithm written literally, alternating in one run.

Measures what the README quotes; prints JSON. The other side of every comparison is `tests/oracle.py`, so the bench
runs from a checkout of the repository. Models of full size have random weights: the time does not depend on them.
Points that need processes of their own are in `bench_processes`, whole schedules in `bench_schedules`, the image side in
`bench_images`, counts in `bench_counts`.
"""

from __future__ import annotations

import operator
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unlearn.config import FineTuneConfig, ForgetConfig, Person, Progress, Settings, TextFineTuneConfig
from unlearn.embeddings import EmbeddingCache, Kind, encode
from unlearn.encoders import OpenClipText
from unlearn.errors import ConfigError
from unlearn.finetune import fine_tune
from unlearn.idia import idia_prompts
from unlearn.names import random_names
from unlearn.prompts import PROMPT_TEMPLATES, fill
from unlearn.text_task import text_task
from unlearn.tokenization import ClipTokenizer

FULL_SIZE = "ViT-B-32-quickgelu"
POINTS = "abcdefghij"


@dataclass(frozen=True)
class BenchConfig:
    """What is measured.

    Attributes:
        points: letters out of "abcdefghij".
        model_set: of the points that need no full-size model (d to g, and j).
        batch_size: of (a) and (c), clean and with trigger each; (i) takes half.
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


def run_bench(
    config: BenchConfig, settings: Settings, note: Callable[[str], None] = lambda text: None
) -> dict[str, Any]:
    """All points asked for: letter -> what was measured, the target, and whether it was met.

    Raises:
        ConfigError: the oracle is missing, because this is no checkout of the repository.
    """
    from unlearn import bench_images, bench_processes, bench_schedules

    oracle()
    measures: dict[str, Callable[[BenchConfig, Settings], dict[str, Any]]] = {
        "a": text_step, "b": attack_prompts, "c": hidden_step, "d": bench_processes.portraits, "e": bench_schedules.schedules,
        "f": bench_processes.whole_run, "g": bench_schedules.many_names, "h": bench_images.trigger_images, "i": bench_images.image_step,
        "j": bench_images.many_faces,
    }  # fmt: skip
    from unlearn.bench_counts import step_counts

    results: dict[str, Any] = {"machine": machine(), "config": vars(config), "counts": step_counts(config.batch_size)}
    for letter in POINTS:
        if letter in config.points:
            note(f"({letter}) {measures[letter].__name__.replace('_', ' ')}")
            found = measures[letter](config, settings)
            results[letter] = {**found, "met": is_met(found)} if "target" in found else found
    return results


def is_met(found: dict[str, Any]) -> bool | None:
    """Whether all conditions of a point's target hold, such as "ratio >= 5 and loss_difference <= 1e-4"; None: one was not measured."""
    held: list[bool] = []
    for condition in str(found["target"]).split(" and "):
        key, sign, bound = condition.split()
        if found[key] is None:
            return None
        held.append({">=": operator.ge, "<=": operator.le, "<": operator.lt}[sign](found[key], float(bound)))
    return all(held)


def oracle() -> Any:
    """The module with the literal algorithm."""
    try:
        from tests import oracle as found
    except ImportError as error:
        raise ConfigError("The bench needs tests/oracle.py; run it in a checkout of the repository.") from error
    return found


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    import platform

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"processor": platform.processor() or platform.machine(), "threads": torch.get_num_threads(), "gpu": gpu,
            "torch": torch.__version__}  # fmt: skip


def full_size_text(device: torch.device | str = "cpu") -> OpenClipText:
    """The text encoder of ViT-B/32 with random weights."""
    from open_clip import CLIP
    from open_clip.factory import get_model_config

    torch.manual_seed(0)
    config = get_model_config(FULL_SIZE)
    config["vision_cfg"]["layers"] = 1  # not used here
    with torch.device(device):
        text = OpenClipText(CLIP(**config), ClipTokenizer(config["text_cfg"]["context_length"]), torch.float32)
    return text.eval().requires_grad_(False)


def text_step(config: BenchConfig, settings: Settings) -> dict[str, Any]:
    """(a) Fine-tuning steps on pooled embeddings, ViT-B/32."""
    return {**_steps(config, ("pooled",)), "target": "ratio >= 5 and loss_difference <= 1e-4"}


def hidden_step(config: BenchConfig, settings: Settings) -> dict[str, Any]:
    """(c) Fine-tuning steps on hidden states, ViT-B/32; the context cannot be cut there."""
    return {**_steps(config, ("hidden",)), "target": "ratio >= 1"}


def _steps(config: BenchConfig, kinds: tuple[Kind, ...]) -> dict[str, Any]:
    teacher = full_size_text()
    schedule = TextFineTuneConfig(n_steps=config.n_steps + 1, batch_size=config.batch_size, n_captions=2000)
    run = ForgetConfig((Person("Ada Brook"),), text=schedule)
    task = text_task(teacher, run, kinds)
    other = oracle().Defence(teacher.without_shortcuts(), schedule, kinds)

    def oracle_step(number: int) -> Callable[[], float]:
        texts = task.triggers.batch(number)
        return lambda: other.step(texts.clean, texts.triggered, texts.neutral)

    return alternating(teacher, task, schedule, oracle_step)


def alternating(teacher: Any, task: Any, schedule: FineTuneConfig, oracle_step: Callable[[int], Callable[[], float]]) -> dict[str, Any]:
    """Our steps and the oracle's in turns; the first of each does not count.

    `oracle_step(number)` prepares step `number` untimed and returns what is timed: the step, which gives its loss.
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


def attack_prompts(config: BenchConfig, settings: Settings) -> dict[str, Any]:
    """(b) The attack's text side, 21 templates x names, ViT-B/32: ours, the oracle's, and ours from the cache."""
    encoder = full_size_text()
    literal = encoder.without_shortcuts()
    names = random_names(config.n_names, seed=0)
    thirds = [PROMPT_TEMPLATES[i : i + 7] for i in range(0, len(PROMPT_TEMPLATES), 7)]
    ours: list[float] = []
    theirs: list[float] = []
    difference = 0.0
    for templates in thirds:  # in turns, so that a change of the machine's load meets both
        prompts = [fill(template, name) for template in templates for name in names]
        started = time.perf_counter()
        found = encode(encoder, prompts)
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        expected: Tensor = oracle().embed_prompts(literal, prompts)
        theirs.append(time.perf_counter() - started)
        difference = max(difference, float((torch.nn.functional.normalize(found, dim=-1) - expected).abs().max()))
    cached = _cached(encoder, idia_prompts(names))
    return {
        "seconds": sum(ours), "oracle_seconds": sum(theirs), "ratio": sum(theirs) / sum(ours),
        "embedding_difference": difference, **cached,
        "target": "ratio >= 5 and embedding_difference <= 1e-5 and cache_ratio >= 100",
    }  # fmt: skip


def _cached(encoder: OpenClipText, prompts: list[str]) -> dict[str, float]:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        EmbeddingCache(Path(folder)).embed(encoder, prompts)
        first = time.perf_counter() - started
        started = time.perf_counter()
        EmbeddingCache(Path(folder)).embed(encoder, prompts)  # a new one: from the disk
        second = time.perf_counter() - started
    return {"uncached_seconds": first, "cached_seconds": second, "cache_ratio": first / second}
