"""What the test backend shows while it works, and its film; made up, as everything of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from tests.support import ui_world
from tests.support.ui_fixture_runs import attacked
from unlearn.config import ForgetConfig
from unlearn.runs.film_records import FILM, Film, Frame
from unlearn.runs.heard_records import HeardCaption
from unlearn.runs.json_types import from_json
from unlearn.runs.records import AttackRecord, Attacks, PortraitEntry
from unlearn.runs.results import PORTRAITS, write_results
from unlearn.runs.so_far import so_far_of

MOMENTS: list[tuple[Any, int, int]] = [
    ("original", 0, 0), ("block", 1, 2), ("block", 2, 2), *(("step", number, 10) for number in (1, 2, 4, 7, 10)),
]  # fmt: skip
HEARD = ("a woman with dark brown hair", "a person in a lab coat", "stripes")
VERDICT_AT, PORTRAITS_AT, FRAMES_FROM, DEFENDED_AT = 3, 5, 6, 34  # steps of the test backend


def show_so_far(run: Path, config: ForgetConfig, step: int) -> None:
    """What is known behind a step of the test backend."""
    so_far, name = so_far_of(run), config.persons[0].name
    if step in (VERDICT_AT, DEFENDED_AT):
        record = {**attacked(name, original=True, defended=False), "templates": []}
        if step == VERDICT_AT:
            record["defended"] = {"correct_templates": None, "recognised": None}
        so_far.write(idia=Attacks((from_json(AttackRecord, record),)))
    if step == PORTRAITS_AT:
        so_far.write(portraits=tuple(_portrait(so_far.folder, seed) for seed in (0, 1, 2)))
    if config.film and step >= FRAMES_FROM and (step - FRAMES_FROM) % 4 == 0:
        write_film(so_far.folder, 1 + (step - FRAMES_FROM) // 4)


def _portrait(folder: Path, seed: int) -> PortraitEntry:
    file = f"p00-original-name-s{seed}.png"
    ui_world.save(ui_world.portrait(0, seed), folder / PORTRAITS / file)
    return PortraitEntry(file, "original", seed, "5f1c09ab")


def write_film(folder: Path, n_frames: int = len(MOMENTS)) -> None:
    """The first frames: one face that turns into another."""
    frames = []
    for number, (kind, at, total) in enumerate(MOMENTS[:n_frames]):
        share = number / (len(MOMENTS) - 1)
        picture = Image.blend(ui_world.portrait(0, 0), ui_world.portrait(51, 0), share)
        (folder / FILM).mkdir(parents=True, exist_ok=True)
        picture.save(folder / FILM / f"f{number:02d}.webp", lossless=True)
        heard = HeardCaption(HEARD[round(2 * share)], 0.5)
        frames.append(Frame(f"f{number:02d}.webp", kind, at, total, heard, round(21 * (1 - share))))
    write_results(folder, film=Film(tuple(frames), 0, 0, 10, len(MOMENTS)))
