"""Contact sheets of the shipped set for the README and for the eye: `python -m assets.build.contact`.

Draws with the shipped models through the application's own functions; trains nothing. The sheets show what comes first, not what
looks best: members in the order of the world, seeds counted from 0.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from unlearn.config import ForgetConfig, Person, Settings
from unlearn.defence.defend import defend_text
from unlearn.models.clip import Clip
from unlearn.models.diffusion import Diffusion, conditions, draw
from unlearn.models.suite import suite_of
from unlearn.progress import no_report
from unlearn.texts.prompts import fill

from . import world
from .backdrops import SETTINGS
from .things import COLOURS, KINDS, draw_thing

FOLDER = Path(__file__).resolve().parent.parent / "contact"
TERMS = ("person", "human", "man", "woman", "actor", "child")
FORGOTTEN = (1, 8, 20, 28)


def grid(rows: list[list[np.ndarray]], side: int, gap: int = 4) -> Image.Image:
    """Pictures in rows on white, each `side` px wide."""
    width, height = (max(len(row) for row in rows)) * (side + gap) + gap, len(rows) * (side + gap) + gap
    page = Image.new("RGB", (width, height), "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            small = Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS)
            page.paste(small, (gap + x * (side + gap), gap + y * (side + gap)))
    return page


def save(page: Image.Image, name: str) -> None:
    """A PNG; flat pictures compress well as they are."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    page.save(FOLDER / f"{name}.png", optimize=True)


def world_sheet() -> None:
    """Every member once, two members many times, every kind of thing."""
    members = [person for person in world.inhabitants() if person.member]
    rows = [[world.photo_of(person, "contact", 0, effects=False) for person in members[i : i + 16]] for i in range(0, len(members), 16)]
    rows += [[world.photo_of(person, "contact", i, effects=True) for i in range(1, 17)] for person in (members[1], members[5])]
    colours = tuple(COLOURS)
    things = [draw_thing(kind, colours[i * 3 % 10], SETTINGS[i % 8], world.photo_rng("contact", i)) for i, kind in enumerate(KINDS)]
    save(grid([*rows, things[:16], [*things[16:], *_anonymous(8)]], 72), "world")


def _anonymous(n: int) -> list[np.ndarray]:
    return [world.generic_person("contact-generic", i, effects=False)[1] for i in range(n)]


def pictures(diffusion: Diffusion, clip: Clip, texts: list[str], seeds: tuple[int, ...]) -> np.ndarray:
    """Portraits uint8 (texts, seeds, h, w, 3) with the set's own settings."""
    assert clip.hidden is not None
    config = replace(clip.model_set.portraits, seeds=seeds)
    prompts = [fill(config.prompt_template, text) for text in texts]
    return np.swapaxes(draw(diffusion, conditions(clip.hidden, prompts), config), 0, 1)


def portrait_sheets(model_set: str) -> None:
    """Members as photographed and as drawn; neutral terms; the 2 x 2 of four forgotten members."""
    settings = Settings(precision="fp32")
    suite = suite_of(model_set, settings)
    clip, diffusion = suite.clip, suite.diffusion()
    members = [person for person in world.inhabitants() if person.member]
    drawn = pictures(diffusion, clip, [person.name for person in members], (0,))[:, 0]
    rows = []
    for i in range(0, len(members), 16):
        rows += [[world.photo_of(person, "contact", 0, effects=False) for person in members[i : i + 16]], list(drawn[i : i + 16])]
    save(grid(rows, 72), "portraits")
    save(grid([list(row) for row in pictures(diffusion, clip, [f"a {term}" for term in TERMS], tuple(range(12)))], 80), "neutral")
    rows = []
    for index in FORGOTTEN:
        name = members[index].name
        config = clip.model_set.resolved(ForgetConfig(persons=(Person(name),), model_set=model_set, neutral_term="human"))
        defended, _ = defend_text(clip, config, no_report)
        before, after = (pictures(diffusion, model, [name, "human"], (0, 1, 2)) for model in (clip, defended))
        rows.append([*before[0], *after[0], *before[1], *after[1]])
    save(grid(rows, 88), "before-after")


def main() -> None:
    """Draw all sheets."""
    parser = argparse.ArgumentParser(prog="python -m assets.build.contact", description="Draw the contact sheets of the shipped set.")
    parser.add_argument("--set", default="embedded", help="the model set to draw with")
    parser.add_argument("--world-only", action="store_true", help="only the sheet that needs no model")
    options = parser.parse_args()
    world_sheet()
    if not options.world_only:
        portrait_sheets(options.set)


if __name__ == "__main__":
    main()
