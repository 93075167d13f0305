"""Draws things: 24 kinds in 10 colours before the backdrops of 8 settings, the general zero-shot task of the drawn world.

Things are placed in units of a box from -1 to 1, ground at y = 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .backdrops import draw_backdrop
from .canvas import Canvas, Colour, Picture, Points, darker, ellipse, lighter, mirrored, mix, polygon, spline

COLOURS: dict[str, Colour] = {
    "red": (212, 50, 50), "orange": (244, 140, 36), "yellow": (248, 206, 60), "green": (58, 158, 84), "blue": (52, 108, 206),
    "purple": (136, 82, 190), "pink": (242, 134, 184), "brown": (134, 88, 54), "white": (246, 246, 242), "black": (48, 46, 54),
}  # fmt: skip
_WHITE: Colour = (252, 252, 248)
_DARK: Colour = (46, 42, 52)
_WOOD: Colour = (118, 80, 52)


@dataclass
class _Thing:
    canvas: Canvas
    colour: Colour
    centre: tuple[float, float]
    size_px: float
    tilt: float
    flip: float

    def fill(self, points: Points, colour: Colour | None = None) -> None:
        self.canvas.fill(self._place(points), self.colour if colour is None else colour)

    def line(self, points: Points, colour: Colour, width: float) -> None:
        self.canvas.stroke(self._place(points), colour, width * self.size_px)

    def _place(self, points: Points) -> Points:
        c, s = np.cos(self.tilt), np.sin(self.tilt)
        x, y = points[:, 0] * self.flip, points[:, 1]
        return np.stack([self.centre[0] + self.size_px * (c * x - s * y), self.centre[1] + self.size_px * (s * x + c * y)], axis=1)

    @property
    def shade(self) -> Colour:
        return darker(self.colour, 0.22)

    @property
    def light(self) -> Colour:
        return lighter(self.colour, 0.35)


def _box(x0: float, y0: float, x1: float, y1: float) -> Points:
    return polygon((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def _car(t: _Thing) -> None:
    t.fill(spline((-0.55, 0.1), (-0.38, -0.38), (0.3, -0.38), (0.6, 0.08)), t.shade)
    t.fill(polygon((-0.42, 0.05), (-0.30, -0.26), (-0.02, -0.26), (-0.02, 0.05)), (206, 232, 246))
    t.fill(polygon((0.06, 0.05), (0.06, -0.26), (0.26, -0.26), (0.46, 0.05)), (206, 232, 246))
    t.fill(ellipse((0, 0.28), (1.0, 0.30), power=5))
    for x in (-0.55, 0.55):
        t.fill(ellipse((x, 0.56), (0.25, 0.25)), _DARK)
        t.fill(ellipse((x, 0.56), (0.11, 0.11)), (200, 200, 206))


def _house(t: _Thing) -> None:
    t.fill(_box(-0.75, -0.1, 0.75, 0.95))
    t.fill(polygon((-1.0, -0.05), (0, -0.95), (1.0, -0.05)), t.shade)
    t.fill(_box(-0.18, 0.35, 0.2, 0.95), _WOOD)
    t.fill(_box(-0.58, 0.15, -0.30, 0.45), (255, 240, 180))
    t.fill(_box(0.34, 0.15, 0.62, 0.45), (255, 240, 180))


def _tree(t: _Thing) -> None:
    t.fill(_box(-0.14, 0.2, 0.14, 1.0), _WOOD)
    for x, y, r in ((-0.42, -0.1, 0.45), (0.42, -0.1, 0.45), (0, -0.5, 0.5)):
        t.fill(ellipse((x, y), (r, r)), t.shade if y > -0.3 else None)


def _boat(t: _Thing) -> None:
    t.fill(_box(-0.05, -1.0, 0.03, 0.45), _WOOD)
    t.fill(polygon((0.08, -0.9), (0.08, 0.3), (0.75, 0.3)), t.light)
    t.fill(polygon((-0.1, -0.7), (-0.1, 0.3), (-0.6, 0.3)), _WHITE)
    t.fill(spline((-0.95, 0.42), (0.95, 0.42), (0.6, 0.9), (-0.6, 0.9)))


def _cat(t: _Thing) -> None:
    t.line(spline((0.5, 0.8), (0.95, 0.6), (0.85, 0.1), closed=False), t.shade, 0.16)
    t.fill(spline((0, -0.1), (0.5, 0.4), (0.5, 0.95), (-0.5, 0.95), (-0.5, 0.4)))
    for s in (-1, 1):
        t.fill(polygon((s * 0.48, -0.95), (s * 0.10, -0.62), (s * 0.52, -0.32)), t.shade)
    t.fill(ellipse((0, -0.34), (0.54, 0.44)))
    for s in (-1, 1):
        t.fill(ellipse((s * 0.21, -0.40), (0.11, 0.13)), (240, 220, 90))
        t.fill(ellipse((s * 0.21, -0.40), (0.045, 0.11)), _DARK)
    t.fill(polygon((-0.07, -0.22), (0.07, -0.22), (0, -0.14)), (236, 130, 140))


def _apple(t: _Thing) -> None:
    t.fill(spline((0, -0.45), (0.42, -0.62), (0.85, -0.2), (0.62, 0.65), (0.2, 0.88), (0, 0.8), (-0.2, 0.88), (-0.62, 0.65), (-0.85, -0.2), (-0.42, -0.62)))
    t.line(spline((0, -0.45), (0.04, -0.7), (0.16, -0.9), closed=False), _WOOD, 0.1)
    t.fill(spline((0.14, -0.74), (0.45, -1.0), (0.7, -0.86), (0.42, -0.66)), (92, 170, 70))
    t.fill(ellipse((-0.42, -0.16), (0.11, 0.22), 0.4), t.light)


def _fish(t: _Thing) -> None:
    t.fill(polygon((0.5, 0), (1.0, -0.45), (0.9, 0), (1.0, 0.45)), t.shade)
    t.fill(spline((-0.95, 0), (-0.4, -0.45), (0.3, -0.36), (0.66, 0), (0.3, 0.36), (-0.4, 0.45)))
    t.fill(polygon((-0.2, -0.4), (0.25, -0.7), (0.3, -0.34)), t.shade)
    t.line(spline((-0.38, -0.32), (-0.22, 0), (-0.38, 0.32), closed=False), t.shade, 0.07)
    t.fill(ellipse((-0.6, -0.1), (0.12, 0.12)), _WHITE)
    t.fill(ellipse((-0.62, -0.1), (0.06, 0.06)), _DARK)


def _flower(t: _Thing) -> None:
    t.line(spline((0, 0.0), (0.04, 0.5), (0, 1.0), closed=False), (66, 140, 70), 0.11)
    t.fill(spline((0.03, 0.7), (0.4, 0.35), (0.6, 0.5), (0.3, 0.75)), (66, 140, 70))
    for a in np.arange(6) * np.pi / 3:
        t.fill(ellipse((0.4 * np.cos(a), -0.35 + 0.4 * np.sin(a)), (0.29, 0.24), float(a)))
    t.fill(ellipse((0, -0.35), (0.22, 0.22)), (250, 200, 60) if t.colour != COLOURS["yellow"] else _WOOD)


def _mushroom(t: _Thing) -> None:
    t.fill(spline((-0.25, 0.0), (0.25, 0.0), (0.34, 0.9), (0, 1.0), (-0.34, 0.9)), (244, 230, 206))
    t.fill(spline((-0.95, 0.12), (-0.75, -0.55), (0, -0.9), (0.75, -0.55), (0.95, 0.12), (0, 0.2)))
    for x, y, r in ((-0.4, -0.3, 0.15), (0.15, -0.55, 0.17), (0.5, -0.12, 0.13)):
        t.fill(ellipse((x, y), (r, r * 0.85)), t.light)


def _cup(t: _Thing) -> None:
    t.line(ellipse((0.62, 0.25), (0.32, 0.32))[:-1], t.shade, 0.14)
    t.fill(spline((-0.65, -0.35), (0.65, -0.35), (0.58, 0.75), (0.3, 0.9), (-0.3, 0.9), (-0.58, 0.75)))
    t.fill(ellipse((0, -0.35), (0.65, 0.17)), t.shade)
    t.fill(ellipse((0, -0.33), (0.52, 0.11)), (92, 58, 40))
    for x in (-0.2, 0.2):
        t.line(spline((x, -0.6), (x + 0.09, -0.75), (x - 0.05, -0.88), (x + 0.05, -1.0), closed=False), (236, 236, 240), 0.07)


def _book(t: _Thing) -> None:
    t.fill(polygon((0, -0.35), (0.95, -0.55), (0.95, 0.6), (0, 0.82), (-0.95, 0.6), (-0.95, -0.55)))
    for s in (-1, 1):
        t.fill(polygon((0, -0.28), (s * 0.84, -0.46), (s * 0.84, 0.48), (0, 0.68)), (250, 246, 236))
        for y in (-0.2, 0.02, 0.24):
            t.line(polygon((s * 0.16, y + 0.06), (s * 0.7, y - 0.06)), (170, 166, 160), 0.05)
    t.line(polygon((0, -0.3), (0, 0.72)), t.shade, 0.06)


def _clock(t: _Thing) -> None:
    t.fill(ellipse((0, 0), (0.9, 0.9)))
    t.fill(ellipse((0, 0), (0.70, 0.70)), _WHITE)
    for a in np.arange(12) * np.pi / 6:
        t.fill(ellipse((0.57 * np.cos(a), 0.57 * np.sin(a)), (0.05, 0.05)), _DARK)
    t.line(polygon((0, 0), (0.0, -0.45)), _DARK, 0.09)
    t.line(polygon((0, 0), (0.3, 0.16)), _DARK, 0.09)


def _umbrella(t: _Thing) -> None:
    t.line(spline((0, -0.6), (0, 0.3), (0.02, 0.8), (0.2, 0.92), (0.34, 0.75), closed=False), _WOOD, 0.09)
    top = np.concatenate([ellipse((0, 0.05), (0.98, 0.92))[24:], polygon((0.98, 0.05))])
    t.fill(top)
    for x in (-0.65, 0.0, 0.65):
        t.fill(ellipse((x, 0.08), (0.33, 0.13)), t.shade)


def _balloon(t: _Thing) -> None:
    t.line(spline((0, 0.45), (0.1, 0.65), (-0.06, 0.82), (0.05, 1.0), closed=False), (110, 104, 110), 0.05)
    t.fill(spline((0, -1.0), (0.64, -0.5), (0.4, 0.2), (0, 0.46), (-0.4, 0.2), (-0.64, -0.5)))
    t.fill(polygon((-0.1, 0.54), (0, 0.4), (0.1, 0.54)), t.shade)
    t.fill(ellipse((-0.25, -0.52), (0.11, 0.2), 0.3), t.light)


def _star(t: _Thing) -> None:
    angles = -np.pi / 2 + np.arange(10) * np.pi / 5
    radii = np.where(np.arange(10) % 2 == 0, 1.0, 0.44)
    points = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
    t.fill(points)
    t.fill(points * 0.55, t.light)


def _rocket(t: _Thing) -> None:
    t.fill(spline((-0.2, 0.6), (0.2, 0.6), (0, 1.0)), (246, 170, 50))
    for s in (-1, 1):
        t.fill(polygon((s * 0.3, 0.1), (s * 0.66, 0.62), (s * 0.3, 0.55)), t.shade)
    t.fill(spline((0, -1.0), (0.36, -0.4), (0.34, 0.35), (0.2, 0.62), (-0.2, 0.62), (-0.34, 0.35), (-0.36, -0.4)))
    t.fill(ellipse((0, -0.25), (0.20, 0.20)), _WHITE)
    t.fill(ellipse((0, -0.25), (0.13, 0.13)), (120, 180, 220))


def _cactus(t: _Thing) -> None:
    for s, y in ((-1, 0.05), (1, -0.15)):
        t.line(spline((0, y + 0.25), (s * 0.45, y + 0.2), (s * 0.58, y - 0.1), (s * 0.58, y - 0.4), closed=False), t.shade, 0.24)
    t.fill(ellipse((0, 0.1), (0.30, 0.88), power=3.0))
    t.line(polygon((0, -0.55), (0, 0.7)), t.shade, 0.05)
    t.fill(ellipse((0, -0.80), (0.17, 0.13)), (240, 120, 150))


def _bird(t: _Thing) -> None:
    for x in (-0.1, 0.15):
        t.line(polygon((x, 0.5), (x, 0.9)), (230, 150, 50), 0.06)
    t.fill(polygon((0.4, 0.2), (1.0, 0.0), (0.95, 0.3), (0.4, 0.5)), t.shade)
    t.fill(ellipse((0.05, 0.2), (0.6, 0.43), -0.2))
    t.fill(ellipse((-0.45, -0.3), (0.34, 0.32)))
    t.fill(polygon((-0.74, -0.38), (-1.05, -0.22), (-0.74, -0.14)), (244, 160, 50))
    t.fill(ellipse((0.2, 0.18), (0.36, 0.23), -0.3), t.shade)
    t.fill(ellipse((-0.52, -0.36), (0.065, 0.065)), _DARK if t.colour != COLOURS["black"] else _WHITE)


def _ice_cream(t: _Thing) -> None:
    t.fill(polygon((-0.42, 0.0), (0.42, 0.0), (0.0, 1.0)), (222, 166, 96))
    for x in (-0.2, 0.1):
        t.line(polygon((x, 0.02), (x + 0.2, 0.45)), (184, 126, 66), 0.04)
    for x, y in ((-0.28, -0.12), (0.28, -0.12), (0, -0.5)):
        t.fill(ellipse((x, y), (0.37, 0.35)), t.light if y < -0.3 else None)
    t.fill(ellipse((0, -0.9), (0.12, 0.12)), (206, 40, 56))


def _lamp(t: _Thing) -> None:
    t.fill(_box(-0.06, 0.0, 0.06, 0.85), (120, 104, 90))
    t.fill(ellipse((0, 0.88), (0.42, 0.11)), (120, 104, 90))
    t.fill(ellipse((0, 0.12), (0.5, 0.10)), (255, 236, 170))
    t.fill(polygon((-0.38, -0.85), (0.38, -0.85), (0.72, 0.1), (-0.72, 0.1)))
    t.fill(polygon((0.12, -0.85), (0.38, -0.85), (0.72, 0.1), (0.24, 0.1)), t.shade)


def _chair(t: _Thing) -> None:
    for x in (-0.5, 0.42):
        t.fill(_box(x, 0.25, x + 0.13, 1.0), t.shade)
    t.fill(ellipse((0, -0.45), (0.55, 0.52), power=6))
    t.fill(ellipse((0, -0.45), (0.36, 0.33), power=6), t.shade)
    t.fill(ellipse((0, 0.22), (0.68, 0.15), power=5), t.light)


def _butterfly(t: _Thing) -> None:
    for s in (1.0, -1.0):
        upper, lower = spline((0.05, -0.1), (0.4, -0.85), (0.95, -0.7), (0.8, -0.05)), spline((0.05, 0.05), (0.7, 0.1), (0.72, 0.65), (0.3, 0.75))
        for wing, colour in ((upper, None), (lower, t.shade)):
            t.fill(wing if s > 0 else mirrored(wing), colour)
        t.fill(ellipse((s * 0.58, -0.42), (0.16, 0.16)), t.light)
        t.line(spline((0, -0.5), (s * 0.15, -0.8), (s * 0.25, -0.86), closed=False), _DARK, 0.04)
    t.fill(ellipse((0, 0.0), (0.085, 0.56)), _DARK)


def _guitar(t: _Thing) -> None:
    t.fill(_box(-0.07, -0.95, 0.07, 0.1), _WOOD)
    t.fill(_box(-0.14, -1.05, 0.14, -0.78), _DARK)
    t.fill(ellipse((0, 0.08), (0.38, 0.34)))
    t.fill(ellipse((0, 0.56), (0.54, 0.44)))
    t.fill(ellipse((0, 0.26), (0.17, 0.17)), _DARK)
    t.fill(_box(-0.22, 0.62, 0.22, 0.72), _DARK)


def _key(t: _Thing) -> None:
    t.fill(_box(-0.2, -0.10, 0.95, 0.10))
    for x in (0.5, 0.76):
        t.fill(_box(x, 0.05, x + 0.15, 0.38))
    t.fill(ellipse((-0.52, 0), (0.46, 0.46)))
    t.fill(ellipse((-0.52, 0), (0.22, 0.22)), t.shade)


_DRAW: dict[str, Callable[[_Thing], None]] = {
    "car": _car, "house": _house, "tree": _tree, "boat": _boat, "cat": _cat, "apple": _apple, "fish": _fish, "flower": _flower,
    "mushroom": _mushroom, "cup": _cup, "book": _book, "clock": _clock, "umbrella": _umbrella, "balloon": _balloon, "star": _star,
    "rocket": _rocket, "cactus": _cactus, "bird": _bird, "ice cream": _ice_cream, "lamp": _lamp, "chair": _chair,
    "butterfly": _butterfly, "guitar": _guitar, "key": _key,
}  # fmt: skip
KINDS = tuple(_DRAW)


def draw_thing(kind: str, colour: str, setting: str, rng: np.random.Generator) -> Picture:
    """One picture of a thing, RGB, shape (128, 128, 3), without camera effects."""
    canvas = Canvas()
    draw_backdrop(canvas, setting, rng)
    size = float(rng.uniform(26, 40))
    centre = (float(64 + rng.uniform(-14, 14)), float(96 - size + rng.uniform(-6, 10)))
    tint = rng.uniform(-0.10, 0.10)
    base = COLOURS[colour]
    shaded = mix(base, (255, 255, 255), tint) if tint > 0 else mix(base, (20, 20, 30), -tint)
    canvas.fill(ellipse((centre[0], centre[1] + size * 0.98), (size * 0.85, size * 0.13)), (40, 36, 50), 0.22)
    flip = 1.0 if rng.random() < 0.5 else -1.0
    _DRAW[kind](_Thing(canvas, shaded, centre, size, float(rng.normal(0, 0.08)), flip))
    return canvas.finish()
