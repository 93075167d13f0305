"""Draws where things are: 8 settings, in pixels of a 128 px picture. Knows a setting's name; nothing of things, people or captions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .canvas import Canvas, Colour, ellipse, gradient, polygon


def _ground(canvas: Canvas, sky: tuple[Colour, Colour], ground: Colour) -> None:
    gradient(canvas, *sky)
    canvas.fill(polygon((-4, 92), (132, 92), (132, 132), (-4, 132)), ground)


def _beach(canvas: Canvas, rng: np.random.Generator) -> None:
    _ground(canvas, ((150, 210, 240), (220, 240, 246)), (240, 218, 168))
    canvas.fill(polygon((-4, 78), (132, 78), (132, 96), (-4, 96)), (70, 150, 200))


def _meadow(canvas: Canvas, rng: np.random.Generator) -> None:
    _ground(canvas, ((150, 206, 246), (214, 236, 248)), (122, 190, 90))
    canvas.fill(ellipse((rng.uniform(20, 108), 96), (60, 16)), (106, 176, 80))


def _snow(canvas: Canvas, rng: np.random.Generator) -> None:
    _ground(canvas, ((176, 196, 216), (220, 230, 238)), (240, 244, 250))
    for x, y in rng.uniform(0, 128, (16, 2)):
        canvas.fill(ellipse((x, y), (1.9, 1.9)), (255, 255, 255))


def _city(canvas: Canvas, rng: np.random.Generator) -> None:
    _ground(canvas, ((176, 186, 214), (222, 218, 226)), (112, 112, 124))
    for x in range(0, 128, 22):
        top = rng.uniform(26, 64)
        canvas.fill(polygon((x, top), (x + 18, top), (x + 18, 92), (x, 92)), (138, 142, 172))


def _night(canvas: Canvas, rng: np.random.Generator) -> None:
    _ground(canvas, ((22, 26, 62), (52, 54, 104)), (36, 40, 60))
    canvas.fill(ellipse((rng.uniform(16, 112), rng.uniform(14, 30)), (9, 9)), (250, 240, 200))
    for x, y in rng.uniform(4, 86, (10, 2)) * np.array([1.45, 1.0]):
        canvas.fill(ellipse((x, y), (1.2, 1.2)), (255, 255, 236))


def _sunset(canvas: Canvas, rng: np.random.Generator) -> None:
    _ground(canvas, ((112, 72, 130), (250, 172, 96)), (92, 58, 84))
    canvas.fill(ellipse((rng.uniform(30, 98), 90), (17, 17))[24:], (255, 220, 140))


def _table(canvas: Canvas, rng: np.random.Generator) -> None:
    _ground(canvas, ((246, 234, 218), (240, 222, 204)), (178, 122, 78))


def _studio(canvas: Canvas, rng: np.random.Generator) -> None:
    gradient(canvas, (238, 234, 244), (206, 204, 222))
    canvas.fill(ellipse((64, 104), (58, 14)), (196, 192, 214))


_BACKDROP: dict[str, Callable[[Canvas, np.random.Generator], None]] = {
    "on the beach": _beach, "in a meadow": _meadow, "in the snow": _snow, "in the city": _city, "at night": _night,
    "at sunset": _sunset, "on a table": _table, "in a studio": _studio,
}  # fmt: skip
SETTINGS = tuple(_BACKDROP)


def draw_backdrop(canvas: Canvas, setting: str, rng: np.random.Generator) -> None:
    """Fill the canvas with a setting; the ground is below y = 92."""
    _BACKDROP[setting](canvas, rng)
