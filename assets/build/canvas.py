"""A supersampled canvas of filled shapes in a flat-illustration style.

Coordinates are pixels of the finished picture (128 x 128), x to the right and
y down; colours are RGB in 0-255.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE_PX = 128
SUPERSAMPLING = 3
_SHIFT_BITS = 5

Colour = tuple[int, int, int]
Points = NDArray[np.float64]
Picture = NDArray[np.uint8]


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """Colour between `a` (share 0) and `b` (share 1)."""
    red, green, blue = (round(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return red, green, blue


def darker(colour: Colour, share: float = 0.18) -> Colour:
    """The same colour in shadow; towards a cool dark, which looks less dirty than towards black."""
    return mix(colour, (28, 18, 40), share)


def lighter(colour: Colour, share: float = 0.18) -> Colour:
    """The same colour in light."""
    return mix(colour, (255, 250, 240), share)


def ellipse(centre: tuple[float, float], radii: tuple[float, float], rotation: float = 0.0, power: float = 2.0) -> Points:
    """Outline of a superellipse; power 2 is an ellipse, 4 a rounded rectangle. Rotation in radians."""
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    cos, sin = np.cos(angle), np.sin(angle)
    x = np.sign(cos) * np.abs(cos) ** (2 / power) * radii[0]
    y = np.sign(sin) * np.abs(sin) ** (2 / power) * radii[1]
    c, s = np.cos(rotation), np.sin(rotation)
    return np.stack([centre[0] + c * x - s * y, centre[1] + s * x + c * y], axis=1)


def polygon(*corners: tuple[float, float]) -> Points:
    """Corners as an array, shape (n, 2)."""
    return np.array(corners, dtype=np.float64)


def spline(*knots: tuple[float, float], closed: bool = True) -> Points:
    """Catmull-Rom curve through the knots, eight points a segment."""
    k = np.array(knots, dtype=np.float64)
    if closed:
        p = np.concatenate([k[-1:], k, k[:2]])
    else:
        p = np.concatenate([2 * k[:1] - k[1:2], k, 2 * k[-1:] - k[-2:-1]])
    t = np.linspace(0, 1, 8, endpoint=False)[None, :, None]
    a, b, c, d = (p[i : len(p) - 3 + i, None, :] for i in range(4))
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    points = curve.reshape(-1, 2)
    return points if closed else np.concatenate([points, k[-1:]])


def mirrored(points: Points) -> Points:
    """The shape reflected at x = 0."""
    return points * np.array([-1.0, 1.0])


@dataclass
class Canvas:
    """A picture in the making; shapes are drawn over one another in the order of the calls."""

    background: Colour = (255, 255, 255)

    @cached_property
    def pixels(self) -> Picture:
        side = SIZE_PX * SUPERSAMPLING
        return np.full((side, side, 3), self.background, np.uint8)

    def _fixed_point(self, points: Points) -> NDArray[np.int32]:
        scaled = (points * SUPERSAMPLING - 0.5) * (1 << _SHIFT_BITS)
        return np.clip(np.round(scaled), -(2**20), 2**20).astype(np.int32)

    def mask(self, points: Points) -> Picture:
        """Coverage of a polygon, 0 or 255, shape (side, side)."""
        mask = np.zeros(self.pixels.shape[:2], np.uint8)
        cv2.fillPoly(mask, [self._fixed_point(points)], 255, shift=_SHIFT_BITS)
        return mask

    def fill(self, points: Points, colour: Colour, opacity: float = 1.0, clip: Picture | None = None) -> None:
        """Fill a polygon; `clip` is a mask from `mask` that the shape may not leave."""
        if opacity >= 1.0 and clip is None:
            cv2.fillPoly(self.pixels, [self._fixed_point(points)], colour, shift=_SHIFT_BITS)
            return
        low = np.clip(np.floor(points.min(0) * SUPERSAMPLING).astype(int) - 1, 0, self.pixels.shape[0])
        high = np.clip(np.ceil(points.max(0) * SUPERSAMPLING).astype(int) + 2, 0, self.pixels.shape[0])
        (x0, y0), (x1, y1) = low, high
        if x0 >= x1 or y0 >= y1:
            return
        cover = np.zeros((y1 - y0, x1 - x0), np.uint8)
        offset = np.array([x0, y0]) * (1 << _SHIFT_BITS)
        cv2.fillPoly(cover, [(self._fixed_point(points) - offset).astype(np.int32)], 255, shift=_SHIFT_BITS)
        if clip is not None:
            cover &= clip[y0:y1, x0:x1]
        where = cover > 0
        region = self.pixels[y0:y1, x0:x1]
        region[where] = (region[where] * (1 - opacity) + np.array(colour) * opacity).astype(np.uint8)

    def stroke(self, points: Points, colour: Colour, width_px: float, closed: bool = False) -> None:
        """A line with round ends."""
        thickness = max(1, round(width_px * SUPERSAMPLING))
        cv2.polylines(self.pixels, [self._fixed_point(points)], closed, colour, thickness, cv2.LINE_AA, _SHIFT_BITS)

    def finish(self) -> Picture:
        """The picture at its final size, shape (128, 128, 3)."""
        return np.asarray(cv2.resize(self.pixels, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA), np.uint8)


def gradient(canvas: Canvas, top: Colour, bottom: Colour, angle: float = 0.0) -> None:
    """Fill the whole canvas with a linear gradient; angle in radians, 0 is top to bottom."""
    side = canvas.pixels.shape[0]
    ramp = np.linspace(-0.5, 0.5, side)
    share = np.clip(0.5 + ramp[:, None] * np.cos(angle) + ramp[None, :] * np.sin(angle), 0, 1)[..., None]
    canvas.pixels[:] = (np.array(top) * (1 - share) + np.array(bottom) * share).astype(np.uint8)


def photo_effects(picture: Picture, rng: np.random.Generator, strength: float = 1.0) -> Picture:
    """What a camera adds: exposure, tint, uneven light, a little blur and noise."""
    image = picture.astype(np.float32)
    gain = 1 + rng.uniform(-0.16, 0.14) * strength
    tint = 1 + rng.uniform(-0.05, 0.05, 3) * strength
    angle, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.16) * strength
    ramp = np.linspace(-1, 1, image.shape[0])
    light = 1 + depth * (ramp[:, None] * np.cos(angle) + ramp[None, :] * np.sin(angle))
    image = image * (gain * tint).astype(np.float32) * light[..., None].astype(np.float32)
    if rng.random() < 0.35 * strength:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 0.9)).astype(np.float32)
    if rng.random() < 0.5 * strength:
        image = image + rng.normal(0, rng.uniform(1, 6), image.shape).astype(np.float32)
    return np.clip(image, 0, 255).astype(np.uint8)
