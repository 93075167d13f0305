"""Draws a person: background, clothes, head, features, hair and hat.

Features are placed in head units (half the face's width is 1, the eyes' height is 0) and moved to
pixels by a `Pose`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from . import hair
from .canvas import Canvas, Colour, Picture, Points, darker, ellipse, gradient, lighter, mirrored, mix, polygon, spline
from .people import ACCENTS, EYE_COLOURS, HAIR_COLOURS, LIPS, SKINS, Look, Shot

_UNIT_PX = 27.5
_JAW = {"oval": (0.80, 0.36, 1.30), "round": (0.92, 0.50, 1.18), "square": (0.94, 0.60, 1.24), "long": (0.78, 0.42, 1.42), "heart": (0.70, 0.24, 1.30)}
_WHITE: Colour = (252, 252, 250)
_DARK: Colour = (34, 26, 34)


@dataclass(frozen=True)
class Pose:
    """Where head units fall in the picture; deeper features move more when the head turns."""

    shot: Shot

    def place(self, points: Points, depth: float = 0.0) -> Points:
        """Head units to pixels; depth 1 is the tip of the nose, below 0 behind the head."""
        s = self.shot
        x = points[:, 0] * (1 - 0.05 * abs(s.turn)) + s.turn * 0.20 * depth
        y = points[:, 1] - 0.02 * depth
        c, n = np.cos(s.tilt), np.sin(s.tilt)
        unit = _UNIT_PX * s.scale
        return np.stack([64 + s.shift[0] + unit * (c * x - n * y), 65 + s.shift[1] + unit * (n * x + c * y)], axis=1)

    def px(self, units: float) -> float:
        """A length in head units as pixels."""
        return units * _UNIT_PX * self.shot.scale


@dataclass
class _Drawing:
    canvas: Canvas
    pose: Pose
    look: Look

    @property
    def skin(self) -> Colour:
        return SKINS[self.look.skin]

    @property
    def hair_colour(self) -> Colour:
        return HAIR_COLOURS[self.look.hair_colour]

    def fill(self, points: Points, colour: Colour, depth: float = 0.0, opacity: float = 1.0) -> None:
        self.canvas.fill(self.pose.place(points, depth), colour, opacity)

    def line(self, points: Points, colour: Colour, width: float, depth: float = 0.0) -> None:
        self.canvas.stroke(self.pose.place(points, depth), colour, self.pose.px(width))


def draw_person(look: Look, shot: Shot) -> Picture:
    """One photo, RGB, shape (128, 128, 3), without camera effects."""
    if look.child:
        shot = replace(shot, scale=shot.scale * 0.88, shift=(shot.shift[0], shot.shift[1] + 9))
    d = _Drawing(Canvas(), Pose(shot), look)
    _background(d.canvas, shot)
    covered = look.hat in ("headscarf", "turban")
    if not covered:
        _layers(d, hair.back_hair(look.hair_style), depth=-0.5)
    _body(d, shot)
    if look.hat == "headscarf":
        _layers(d, hair.headscarf(), depth=-0.1)
    _head(d)
    _skin_details(d)
    if look.beard != "none":
        _beard(d)
    _nose(d)
    _mouth(d, shot)
    for side in (-1, 1):
        _eye(d, side, shot)
        _brow(d, side, shot)
    _top(d, covered)
    _glasses(d)
    return d.canvas.finish()


def _background(canvas: Canvas, shot: Shot) -> None:
    first, second = shot.background_colours
    gradient(canvas, lighter(first, 0.12), darker(first, 0.08), shot.background_angle)
    if shot.background == 1:
        gradient(canvas, first, second, shot.background_angle)
    elif shot.background == 2:
        canvas.fill(ellipse((64, 62), (54, 54)), second, 0.75)
    elif shot.background == 3:
        canvas.fill(polygon((-4, 92), (132, 86), (132, 132), (-4, 132)), second)
    elif shot.background == 4:
        canvas.fill(polygon((86, -4), (132, -4), (132, 132), (56, 132)), second, 0.8)
    elif shot.background == 5:
        canvas.fill(polygon((8, 10), (42, 10), (42, 56), (8, 56)), lighter(second, 0.5))
        canvas.fill(polygon((23.5, 10), (26.5, 10), (26.5, 56), (23.5, 56)), first)
        canvas.fill(polygon((-4, 96), (132, 96), (132, 132), (-4, 132)), darker(first, 0.25))
    elif shot.background == 6:
        for x in range(0, 128, 32):
            canvas.fill(polygon((x, -2), (x + 16, -2), (x + 16, 130), (x, 130)), mix(first, second, 0.45))


def _body(d: _Drawing, shot: Shot) -> None:
    cloth, second = shot.clothes_colours
    neck_shade = darker(d.skin, 0.22)
    shoulders = spline((-0.42, 1.42), (-1.3, 1.68), (-2.0, 2.1), (-2.3, 3.4), (2.3, 3.4), (2.0, 2.1), (1.3, 1.68), (0.42, 1.42))
    neck = polygon((-0.46, 0.8), (0.46, 0.8), (0.52, 1.75), (-0.52, 1.75))
    chest = d.canvas.mask(d.pose.place(shoulders, -0.3))
    d.fill(shoulders, cloth, -0.3)
    if shot.clothes == "stripes":
        for y in (1.75, 2.15, 2.55):
            stripe = polygon((-2.6, y), (2.6, y), (2.6, y + 0.2), (-2.6, y + 0.2))
            d.canvas.fill(d.pose.place(stripe, -0.3), second, 1.0, chest)
    elif shot.clothes == "hoodie":
        d.fill(spline((-0.9, 1.5), (-0.5, 1.25), (0.5, 1.25), (0.9, 1.5), (0.5, 1.95), (-0.5, 1.95)), darker(cloth, 0.2), -0.3)
    elif shot.clothes == "suit":
        dark = darker(cloth, 0.55)
        d.canvas.fill(d.pose.place(shoulders, -0.3), dark, 1.0, chest)
        d.fill(polygon((-0.55, 1.45), (0.55, 1.45), (0.0, 3.2)), _WHITE, -0.3)
        d.fill(polygon((-0.14, 1.72), (0.14, 1.72), (0.2, 2.7), (0, 3.0), (-0.2, 2.7)), second, -0.3)
    d.fill(neck, d.skin, -0.15)
    d.fill(spline((-0.50, 0.9), (0.50, 0.9), (0.47, 1.3), (0.0, 1.5), (-0.47, 1.3)), neck_shade, -0.12)
    collar = {"crew": 1.78, "stripes": 1.78, "v-neck": 2.25}.get(shot.clothes)
    if shot.clothes == "turtleneck":
        d.fill(spline((-0.56, 1.28), (0.0, 1.40), (0.56, 1.28), (0.62, 1.8), (-0.62, 1.8)), darker(cloth, 0.12), -0.2)
    elif collar is not None:
        d.fill(spline((-0.54, 1.52), (0.54, 1.52), (0.26, collar - 0.06), (0.0, collar), (-0.26, collar - 0.06)), d.skin, -0.25)


def _head_outline(look: Look) -> Points:
    jaw, chin, length = _JAW[look.face_shape]
    right = [(0.0, -1.25), (0.52, -1.14), (0.88, -0.72), (1.0, -0.10), (0.96, 0.34), (jaw, 0.80), (chin, length - 0.07), (0.0, length)]
    return spline(*right, *((-x, y) for x, y in reversed(right[1:-1])))


def _head(d: _Drawing) -> None:
    for side in (-1, 1):
        if d.look.hat != "headscarf":
            d.fill(ellipse((side * 1.02, 0.10), (0.17, 0.27)), darker(d.skin, 0.06), -0.15)
            d.fill(ellipse((side * 1.04, 0.11), (0.08, 0.16)), darker(d.skin, 0.22), -0.15)
            _earring(d, side)
    d.fill(_head_outline(d.look), d.skin, 0.1)


def _earring(d: _Drawing, side: int) -> None:
    gold: Colour = (238, 190, 70)
    if d.look.earrings == "stud":
        d.fill(ellipse((side * 1.08, 0.40), (0.11, 0.11)), gold, -0.1)
    elif d.look.earrings == "hoop":
        ring = d.pose.place(ellipse((side * 1.10, 0.60), (0.19, 0.22)), -0.1)
        d.canvas.stroke(ring, gold, d.pose.px(0.08), closed=True)


def _skin_details(d: _Drawing) -> None:
    face = d.canvas.mask(d.pose.place(_head_outline(d.look), 0.1))
    shade = spline((0.62, -1.3), (1.2, -0.6), (1.2, 0.6), (0.5, 1.5), (0.74, 0.9), (0.86, 0.0))
    side = 1 if d.pose.shot.turn < 0 else -1
    d.canvas.fill(d.pose.place(shade * np.array([side, 1.0]), 0.1), darker(d.skin, 0.10), 1.0, face)
    if d.look.blush:
        for s in (-1, 1):
            d.fill(ellipse((s * 0.60, 0.40), (0.22, 0.15)), (236, 110, 110), 0.6, 0.32)
    if d.look.freckles:
        for x, y in ((0.34, 0.26), (0.50, 0.34), (0.66, 0.26), (0.42, 0.44), (0.60, 0.46)):
            for s in (-1, 1):
                d.fill(ellipse((s * x, y), (0.042, 0.042)), darker(d.skin, 0.42), 0.6)
    if d.look.mole:
        d.fill(ellipse((0.50, 0.62), (0.065, 0.065)), darker(d.skin, 0.7), 0.6)


def _beard(d: _Drawing) -> None:
    look, colour = d.look, d.hair_colour
    jaw, chin, length = _JAW[look.face_shape]
    if look.beard in ("full", "stubble"):
        grow = 0.10 if look.beard == "full" else 0.0
        right = [(0.99, 0.02), (0.99 + grow * 0.3, 0.42), (jaw + grow, 0.86 + grow), (chin + grow, length + grow), (0.0, length + 0.06 + grow * 1.4)]
        inner = [(0.0, 0.44), (0.36, 0.46), (0.62, 0.50), (0.84, 0.30)]
        outer = spline(*right, *((-x, y) for x, y in reversed(right[:-1])), closed=False)
        inside = spline(*((-x, y) for x, y in reversed(inner[1:])), *inner, closed=False)
        shape = np.concatenate([outer, inside])
        d.fill(shape, colour if look.beard == "full" else mix(d.skin, colour, 0.38), 0.2)
    elif look.beard == "goatee":
        d.fill(spline((-0.40, 0.62), (0.40, 0.62), (0.42, length - 0.1), (0.0, length + 0.12), (-0.42, length - 0.1)), colour, 0.5)
        d.fill(spline((-0.42, 0.58), (0.0, 0.46), (0.42, 0.58), (0.0, 0.64)), colour, 0.7)
    else:
        half = spline((0.0, 0.46), (0.34, 0.46), (0.60, 0.66), (0.30, 0.66), (0.0, 0.62))
        d.fill(half, colour, 0.75)
        d.fill(mirrored(half), colour, 0.75)


def _nose(d: _Drawing) -> None:
    shade = darker(d.skin, 0.26)
    kind = d.look.nose
    if kind == 0:
        d.line(spline((-0.15, 0.33), (0.0, 0.40), (0.15, 0.33), closed=False), shade, 0.075, 0.95)
    elif kind == 1:
        d.fill(spline((-0.05, -0.02), (0.06, -0.02), (0.19, 0.36), (0.0, 0.42), (-0.19, 0.36)), darker(d.skin, 0.14), 0.95)
    elif kind == 2:
        d.fill(ellipse((0.0, 0.30), (0.19, 0.13)), darker(d.skin, 0.18), 0.95)
    else:
        d.line(spline((-0.04, -0.04), (0.10, 0.22), (0.14, 0.36), (-0.08, 0.38), closed=False), shade, 0.075, 0.95)


def _mouth(d: _Drawing, shot: Shot) -> None:
    w = 0.40 * d.look.mouth_width
    curve = 0.16 * shot.smile
    lips = LIPS[d.look.lips]
    natural = mix(d.skin, (190, 70, 72), 0.55)
    colour = lips or natural
    # A dark line would vanish on dark skin and in dark beards.
    dark_around = d.look.skin >= 5 or d.look.beard == "full"
    line_colour = lighter(colour, 0.12) if dark_around else darker(colour, 0.32)
    y = 0.78
    if shot.mouth_open > 0:
        drop = 0.14 + 0.20 * shot.mouth_open
        inside = spline((-w, y - curve * 0.6), (0, y - 0.01), (w, y - curve * 0.6), (w * 0.6, y + drop * 0.8), (0, y + drop), (-w * 0.6, y + drop * 0.8))
        d.fill(inside, (104, 22, 34), 0.7)
        d.fill(spline((-w * 0.74, y - curve * 0.4), (0, y + 0.0), (w * 0.74, y - curve * 0.4), (w * 0.5, y + drop * 0.32), (-w * 0.5, y + drop * 0.32)), _WHITE, 0.7)
        d.canvas.stroke(d.pose.place(inside, 0.7), line_colour, d.pose.px(0.085), closed=True)
    else:
        line = spline((-w, y - curve), (-w * 0.5, y + curve * 0.35), (0, y + curve * 0.75), (w * 0.5, y + curve * 0.35), (w, y - curve), closed=False)
        if lips is not None:
            d.fill(np.concatenate([line, spline((w, y - curve), (0.0, y + curve * 0.75 + 0.15), (-w, y - curve), closed=False)]), lips, 0.7)
            d.fill(np.concatenate([line, spline((w, y - curve), (0.12, y + curve * 0.4 - 0.12), (0, y + curve * 0.5 - 0.07), (-0.12, y + curve * 0.4 - 0.12), (-w, y - curve), closed=False)]), darker(lips, 0.12), 0.7)
        d.line(line, line_colour, 0.095, 0.7)


def _eye(d: _Drawing, side: int, shot: Shot) -> None:
    x, size = side * 0.42, d.look.eye_size
    d.fill(ellipse((x, -0.02), (0.25 * size, 0.185 * size), power=2.2), _WHITE, 0.65)
    gx, gy = shot.gaze[0] * 0.08, shot.gaze[1] * 0.06
    d.fill(ellipse((x + gx, -0.02 + gy), (0.145 * size, 0.155 * size)), EYE_COLOURS[d.look.eye_colour], 0.65)
    d.fill(ellipse((x + gx, -0.02 + gy), (0.075 * size, 0.085 * size)), _DARK, 0.65)
    d.fill(ellipse((x + gx - 0.05, -0.08 + gy), (0.042, 0.042)), _WHITE, 0.65)
    lid = spline((x - 0.27 * size, 0.0), (x - 0.15 * size, -0.16 * size), (x, -0.20 * size), (x + 0.15 * size, -0.16 * size), (x + 0.27 * size, 0.0), closed=False)
    d.line(lid, _DARK, 0.075, 0.65)
    if d.look.gender == "woman" and not d.look.child:
        d.line(spline((x + side * 0.24 * size, -0.04), (x + side * 0.36 * size, -0.14), closed=False), _DARK, 0.07, 0.65)


def _brow(d: _Drawing, side: int, shot: Shot) -> None:
    y = -0.42 - 0.07 * shot.brow_raise
    grey = d.look.hair_style == "bald" or d.look.hair_colour in ("pink", "blue", "teal")
    colour = (74, 56, 48) if grey else darker(d.hair_colour, 0.25)
    arch = spline((side * 0.18, y + 0.04), (side * 0.44, y - 0.07), (side * 0.68, y + 0.05), closed=False)
    d.line(arch, colour, 0.105 * d.look.brow_weight, 0.6)


def _top(d: _Drawing, covered: bool) -> None:
    if d.look.hat == "headscarf":
        _layers(d, [(hair._cap("round", 0.14), "hat")], depth=0.1)
    elif covered:
        _layers(d, hair.hat("turban"), depth=0.1)
    else:
        _layers(d, hair.front_hair(d.look.hair_style), depth=0.1)
        _layers(d, hair.hat(d.look.hat), depth=0.1)


def _layers(d: _Drawing, layers: list[hair.Layer], depth: float) -> None:
    hat = ACCENTS[d.look.hat_colour]
    colours: dict[str, Colour] = {
        "hair": d.hair_colour, "hair shade": darker(d.hair_colour, 0.16), "hair light": lighter(d.hair_colour, 0.20),
        "hair thin": mix(d.skin, d.hair_colour, 0.7), "shine": lighter(d.skin, 0.45),
        "hat": hat, "hat shade": darker(hat, 0.22), "hat light": lighter(hat, 0.22), "hat band": darker(hat, 0.55),
    }  # fmt: skip
    for points, role in layers:
        d.fill(points, colours[role], depth)


def _glasses(d: _Drawing) -> None:
    look = d.look
    if look.glasses == "none":
        return
    colour = ACCENTS[look.glasses_colour]
    power, rx, ry = {"round": (2.0, 0.36, 0.35), "square": (5.0, 0.37, 0.29), "cat eye": (2.6, 0.38, 0.29)}[look.glasses]
    for side in (-1, 1):
        ring = ellipse((side * 0.43, 0.0), (rx, ry), 0.0 if look.glasses != "cat eye" else -side * 0.22, power)
        d.canvas.fill(d.pose.place(ring, 0.8), (235, 245, 255), 0.16)
        d.canvas.stroke(d.pose.place(ring, 0.8), colour, d.pose.px(0.10), closed=True)
        d.line(polygon((side * 0.80, -0.06), (side * 1.0, -0.04)), colour, 0.09, 0.4)
    d.line(spline((-0.09, -0.05), (0.0, -0.10), (0.09, -0.05), closed=False), colour, 0.09, 0.8)
