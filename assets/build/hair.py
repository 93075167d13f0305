"""Hair and hats as shapes around a head of half-width 1, centred at the eyes' height.

Each function returns (outline, role) pairs in drawing order; the role names the colour: hair,
hair shade, hair light, hat, hat shade, hat light.
"""

from __future__ import annotations

import numpy as np

from .canvas import Points, ellipse, mirrored, polygon, spline

Layer = tuple[Points, str]

_HAIRLINES: dict[str, tuple[tuple[float, float], ...]] = {
    "round": ((0.90, -0.30), (0.72, -0.62), (0.30, -0.80), (-0.30, -0.80), (-0.72, -0.62), (-0.90, -0.30)),
    "side": ((0.92, -0.20), (0.80, -0.52), (0.45, -0.66), (0.0, -0.72), (-0.40, -0.92), (-0.66, -0.70), (-0.92, -0.24)),
    "centre": ((0.94, 0.10), (0.80, -0.42), (0.38, -0.78), (0.0, -1.06), (-0.38, -0.78), (-0.80, -0.42), (-0.94, 0.10)),
    "fringe": ((0.94, 0.02), (0.84, -0.36), (0.40, -0.40), (0.0, -0.38), (-0.40, -0.40), (-0.84, -0.36), (-0.94, 0.02)),
    "sweep": ((0.94, 0.06), (0.84, -0.30), (0.40, -0.52), (-0.10, -0.76), (-0.52, -0.98), (-0.80, -0.56), (-0.94, 0.0)),
}
_CAP_OF = {
    "side part": ("side", 0.10), "quiff": ("round", 0.10), "curly": ("round", 0.14), "afro": ("round", 0.10), "bob": ("fringe", 0.13),
    "long": ("centre", 0.10), "wavy": ("sweep", 0.14), "bun": ("round", 0.08), "ponytail": ("sweep", 0.09), "braids": ("centre", 0.09),
    "fringe": ("fringe", 0.12), "buzz": ("round", 0.04),
}  # fmt: skip


def _cap(hairline: str, volume: float) -> Points:
    side, top = 1.0 + volume, 1.24 + volume * 1.3
    outer = [(-side, 0.02), (-side * 0.99, -0.45), (-side * 0.80, -0.92), (-side * 0.42, -top * 0.965), (0.0, -top),
             (side * 0.42, -top * 0.965), (side * 0.80, -0.92), (side * 0.99, -0.45), (side, 0.02)]  # fmt: skip
    left = spline(*outer, closed=False)
    right = spline(*_HAIRLINES[hairline], closed=False)
    return np.concatenate([left, right])


def _cloud(centre: tuple[float, float], radii: tuple[float, float], bumps: int, depth: float) -> Points:
    angle = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    radius = 1 + depth * np.abs(np.sin(angle * bumps / 2))
    return np.stack([centre[0] + radii[0] * radius * np.cos(angle), centre[1] + radii[1] * radius * np.sin(angle)], axis=1)


def back_hair(style: str) -> list[Layer]:
    """What hangs or stands behind the head."""
    if style == "bob":
        return [(spline((0, -1.3), (0.95, -0.9), (1.28, 0.0), (1.22, 0.85), (0.7, 1.02), (-0.7, 1.02), (-1.22, 0.85), (-1.28, 0.0), (-0.95, -0.9)), "hair shade")]
    if style in ("long", "fringe"):
        return [(spline((0, -1.3), (0.95, -0.95), (1.24, 0.0), (1.34, 1.2), (1.30, 2.1), (0.6, 2.3), (-0.6, 2.3), (-1.30, 2.1), (-1.34, 1.2), (-1.24, 0.0), (-0.95, -0.95)), "hair shade")]
    if style == "wavy":
        right = [(0.0, -1.36), (0.85, -1.05), (1.24, -0.4), (1.20, 0.1), (1.42, 0.55), (1.26, 0.95), (1.50, 1.4), (1.28, 1.9), (0.7, 2.1)]
        left = [(-x, y) for x, y in reversed(right[1:])]
        return [(spline(*right, *left), "hair shade")]
    if style == "afro":
        return [(_cloud((0, -0.42), (1.42, 1.32), 22, 0.05), "hair")]
    if style == "curly":
        return [(_cloud((0, -0.50), (1.14, 0.94), 15, 0.08), "hair")]
    if style == "bun":
        return [(ellipse((0, -1.62), (0.48, 0.42)), "hair"), (ellipse((0.0, -1.36), (0.30, 0.10)), "hair shade")]
    if style == "ponytail":
        return [(spline((0.7, -0.9), (1.25, -1.0), (1.62, -0.3), (1.58, 0.6), (1.22, 1.3), (1.20, 0.5), (1.05, -0.2)), "hair shade"),
                (ellipse((1.0, -0.78), (0.17, 0.17)), "hat")]  # fmt: skip
    return []


def front_hair(style: str) -> list[Layer]:
    """What lies over the forehead and in front of the shoulders."""
    if style == "bald":
        return [(ellipse((0.32, -0.98), (0.30, 0.09), 0.35), "shine")]
    hairline, volume = _CAP_OF[style]
    layers: list[Layer] = [(_cap(hairline, volume), "hair thin" if style == "buzz" else "hair")]
    if style == "quiff":
        layers.append((spline((-0.86, -0.72), (-1.0, -1.22), (-0.5, -1.62), (0.3, -1.74), (0.95, -1.50), (0.98, -1.0), (0.74, -0.66), (0.2, -0.86), (-0.4, -0.84)), "hair"))
        layers.append((spline((-0.3, -1.2), (0.2, -1.5), (0.78, -1.40), (0.3, -1.30)), "hair light"))
    elif style == "curly":
        for x, y in ((-0.78, -0.72), (-0.42, -0.86), (0.0, -0.80), (0.42, -0.88), (0.78, -0.70)):
            layers.append((ellipse((x, y), (0.27, 0.24)), "hair"))
        layers.append((ellipse((0.35, -1.2), (0.20, 0.12)), "hair light"))
    elif style == "braids":
        for side in (1, -1):
            for i in range(5):
                layers.append((ellipse((side * (1.02 + 0.05 * i), 0.25 + 0.36 * i), (0.22 - 0.012 * i, 0.24)), "hair" if i % 2 else "hair shade"))
            layers.append((ellipse((side * 1.25, 1.98), (0.13, 0.1)), "hat"))
    elif style in ("bob", "fringe"):
        lock = spline((-0.98, -0.5), (-1.18, 0.1), (-1.12, 0.72), (-0.92, 0.66), (-0.86, -0.1))
        layers += [(lock, "hair"), (mirrored(lock), "hair"), (spline((0.1, -1.2), (0.6, -1.12), (0.88, -0.7), (0.5, -0.98)), "hair light")]
    elif style in ("long", "wavy"):
        lock = spline((-0.95, -0.5), (-1.18, 0.2), (-1.24, 1.1), (-1.0, 1.55), (-0.88, 0.8), (-0.88, -0.05))
        layers += [(lock, "hair"), (mirrored(lock), "hair"), (spline((0.14, -1.22), (0.62, -1.1), (0.86, -0.66), (0.46, -0.98)), "hair light")]
    elif style in ("side part", "bun", "ponytail"):
        layers.append((spline((0.05, -1.16), (0.5, -1.12), (0.8, -0.78), (0.42, -0.96)), "hair light"))
    return layers


def hat(style: str) -> list[Layer]:
    """What is worn over the hair; the headscarf frames the whole face."""
    if style == "beanie":
        dome = spline((-1.12, -0.52), (-1.10, -1.10), (-0.62, -1.64), (0.0, -1.76), (0.62, -1.64), (1.10, -1.10), (1.12, -0.52), (0, -0.44))
        band = spline((-1.18, -0.46), (-1.20, -0.86), (0.0, -0.98), (1.20, -0.86), (1.18, -0.46), (0.0, -0.58))
        return [(ellipse((0, -1.86), (0.26, 0.24)), "hat light"), (dome, "hat"), (band, "hat shade")]
    if style == "cap":
        dome = spline((-1.10, -0.50), (-1.08, -1.10), (-0.6, -1.54), (0.0, -1.62), (0.6, -1.54), (1.08, -1.10), (1.10, -0.50), (0, -0.60))
        visor = spline((-1.04, -0.62), (-0.5, -0.78), (0.4, -0.78), (1.1, -0.66), (1.56, -0.38), (0.9, -0.40), (0.0, -0.46), (-0.8, -0.44))
        return [(dome, "hat"), (spline((0.05, -1.6), (0.3, -1.2), (0.34, -0.72), (-0.2, -0.72), (-0.2, -1.2)), "hat light"), (visor, "hat shade"), (ellipse((0, -1.62), (0.1, 0.06)), "hat shade")]
    if style == "fedora":
        crown = spline((-0.98, -0.66), (-0.92, -1.40), (-0.5, -1.74), (0.0, -1.58), (0.5, -1.74), (0.92, -1.40), (0.98, -0.66))
        return [(crown, "hat"), (polygon((-0.98, -0.66), (-0.97, -0.98), (0.97, -0.98), (0.98, -0.66)), "hat band"), (ellipse((0, -0.66), (1.66, 0.22), power=2.4), "hat shade")]
    if style == "beret":
        return [(spline((-1.14, -0.62), (-1.50, -1.0), (-1.20, -1.44), (-0.3, -1.66), (0.62, -1.50), (1.12, -1.06), (1.10, -0.66), (0.0, -0.80)), "hat"),
                (spline((-1.1, -0.58), (0, -0.80), (1.08, -0.60), (1.06, -0.76), (0, -0.94), (-1.1, -0.76)), "hat shade"), (ellipse((-0.25, -1.66), (0.07, 0.11)), "hat shade")]  # fmt: skip
    if style == "turban":
        whole = spline((-1.14, -0.42), (-1.36, -0.95), (-1.0, -1.54), (0.0, -1.80), (1.0, -1.54), (1.36, -0.95), (1.14, -0.42), (0.55, -0.60), (0.0, -0.96), (-0.55, -0.60))
        folds = [spline((0.0, -0.96), (0.7, -1.02), (1.28, -0.80), (1.3, -0.98), (0.7, -1.24), (0.05, -1.14)),
                 spline((0.0, -1.14), (-0.7, -1.14), (-1.22, -1.10), (-1.12, -1.30), (-0.6, -1.42), (0.0, -1.28))]  # fmt: skip
        return [(whole, "hat"), *((fold, "hat shade") for fold in folds), (ellipse((0, -1.02), (0.12, 0.15)), "hat light")]
    return []


def headscarf() -> list[Layer]:
    """Fabric around the face, drawn in front of the head; the face stays open (the drawing cuts it out)."""
    outside = spline((0, -1.46), (0.85, -1.20), (1.24, -0.40), (1.24, 0.5), (1.08, 1.15), (1.42, 1.78), (0.7, 2.3), (-0.7, 2.3), (-1.42, 1.78), (-1.08, 1.15), (-1.24, 0.5), (-1.24, -0.40), (-0.85, -1.20))
    return [(outside, "hat"), (spline((-0.3, 1.45), (0.9, 1.30), (1.3, 1.8), (0.4, 1.75)), "hat shade")]
