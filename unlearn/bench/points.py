"""The bench: how long things take against the paper's algorithm written literally, alternating in one run.

Measures what the README quotes; prints JSON. The other side of every comparison is `unlearn/bench/oracle_texts.py`, so the bench
runs from a checkout of the repository. Models of full size have random weights: the time does not depend on them.
Points that need processes of their own are in `bench.processes`, whole schedules in `bench.schedules`, the image side in
`bench.images`, counts in `bench.counts`.
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
    """All points asked for: letter -> what was measured, the target, and whether it was met."""
    from unlearn.bench import images, processes, schedules

    measures: dict[str, Callable[[BenchConfig, Settings], dict[str, Any]]] = {
        "a": text_step, "b": attack_prompts, "c": hidden_step, "d": processes.portraits, "e": schedules.schedules,
        "f": processes.whole_run, "g": schedules.many_names, "h": images.trigger_images, "i": images.image_step,
        "j": images.many_faces,
    }  # fmt: skip
    from unlearn.bench.counts import step_counts

    results: dict[str, Any] = {"machine": machine(), "config": vars(config), "counts": step_counts(config.batch_size)}
    for letter in POINTS:
        if letter in config.points:
            note(f"({letter}) {measures[letter].__name__.replace('_', ' ')}")
            found = measures[letter](config, settings)
            results[letter] = {**found, "met": is_met(found)} if "target" in found else found
    return results
