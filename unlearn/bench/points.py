"""The points of the bench, by letter: how long things take against the paper's algorithm written literally, in turns in one run.

The figures are those of `docs/figures.md`. Models of full size have random weights: the time does not depend on them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unlearn.bench.texts import attack_prompts, hidden_step, text_step
from unlearn.bench.timing import POINTS, BenchConfig, is_met, machine
from unlearn.config import Settings


def run_bench(
    config: BenchConfig, settings: Settings, note: Callable[[str], None] = lambda text: None
) -> dict[str, Any]:
    """The points of the config: letter -> what was measured, the target, and whether it was met.

    Args:
        config: points and sizes.
        settings: of the process.
        note: called with a line before each point.
    """
    from unlearn.bench import images, processes, schedules
    from unlearn.bench.counts import step_counts

    measures: dict[str, Callable[[BenchConfig, Settings], dict[str, Any]]] = {
        "a": text_step, "b": attack_prompts, "c": hidden_step, "d": processes.portraits, "e": schedules.schedules,
        "f": processes.whole_run, "g": schedules.many_names, "h": images.trigger_images, "i": images.image_step,
        "j": images.many_faces,
    }  # fmt: skip
    results: dict[str, Any] = {"machine": machine(), "config": vars(config), "counts": step_counts(config.batch_size)}
    for letter in POINTS:
        if letter in config.points:
            note(f"({letter}) {measures[letter].__name__.replace('_', ' ')}")
            figures = measures[letter](config, settings)
            results[letter] = {**figures, "met": is_met(figures)} if "target" in figures else figures
    return results
