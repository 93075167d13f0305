"""Frontal faces by scikit-image's LBP cascade: a coarse search of the whole photo, then a close look at each place.

The cascade alone has many false hits. A true face is hit by many neighbouring windows, also when the picture is turned a little or
mirrored; a chance hit is not. So hits are counted, and a place with enough hits and with outlines counts as a face.
Source of the cascade: scikit-image's copy of OpenCV's lbpcascade_frontalface.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from unlearn.config import FinderBars
from unlearn.photos.crops import FoundFace

if TYPE_CHECKING:
    from PIL.Image import Image

WORK_PX = 640  # long side of the picture that is searched
MIN_WINDOW_PX = 36  # there; smaller faces (5.6 % of the long side) are not found
MAX_PLACES = 12  # looked at closely in a photo
FACE_SIDE = 1.3  # from hairline to chin, in windows: the cascade's window ends at the eyebrows
_COARSE_TURNS = (-20, 0, 20)  # degrees
_CLOSE_TURNS = (-24, -12, 0, 12, 24)
_CLOSE_PX = 44  # of the window in the close look
_CLOSE_SIDE = 2 * _CLOSE_PX  # of the square looked at
Hits = np.ndarray  # (n, 3): centre x, centre y, side of each window


class CascadeFinder:
    """Finds upright frontal faces, tilted up to some 25 degrees."""

    name = "LBP cascade of scikit-image"
    same_person = 1.0  # it gives no embeddings

    def __init__(self, warnings: tuple[str, ...] = (), bars: FinderBars | None = None) -> None:
        self.warnings, self._bars = warnings, bars or FinderBars()

    @cached_property
    def _cascade(self) -> Any:
        from skimage.data import lbp_frontal_face_cascade_filename
        from skimage.feature import Cascade

        return Cascade(lbp_frontal_face_cascade_filename())

    def find(self, pixels: np.ndarray) -> list[FoundFace]:
        """The faces of a photo uint8 (height, width, 3), from left to right."""
        from PIL import Image

        scale = max(1.0, max(pixels.shape[:2]) / WORK_PX)
        height, width = (max(1, round(side / scale)) for side in pixels.shape[:2])
        grey = Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX).convert("L")
        candidates = [self._look_closely(grey, place) for place in self._places(grey)]
        windows = [window for hits, window in _without_overlaps(candidates) if hits >= self._bars.cascade_hits]
        faces = [window for window in windows if _detail(grey, window) >= self._bars.cascade_detail]
        rows = sorted((x * scale, y * scale, side * scale) for x, y, side in faces)
        return [FoundFace(x, y, FACE_SIDE * side) for x, y, side in rows]

    def _places(self, grey: Image) -> list[np.ndarray]:
        """Windows in which at least two coarse hits agree, the most hits first."""
        hits = np.concatenate([self._hits(grey, turn, 1.15, 1.5, MIN_WINDOW_PX) for turn in _COARSE_TURNS])
        groups = sorted(_groups(hits), key=lambda group: -group[0])
        return [window for n, window in groups[:MAX_PLACES] if n >= 2]

    def _look_closely(self, grey: Image, place: np.ndarray) -> tuple[int, np.ndarray]:
        """Hits around a place, over all turns, mirrored or not; and the mean window of the best turn."""
        from PIL import Image

        x, y, side = place
        reach = side * 1.42  # half of a square of two windows, and its corners when it is turned
        patch_px = round(_CLOSE_SIDE * 1.42)
        box = (x - reach, y - reach, x + reach, y + reach)
        patch = grey.transform((patch_px, patch_px), Image.Transform.EXTENT, box, Image.Resampling.BILINEAR, fillcolor=128)
        total, best, window = 0, 0, place
        for turn in _CLOSE_TURNS:
            groups = _groups(self._close_hits(patch, turn))
            if not groups:
                continue
            hits, mean = max(groups, key=lambda group: group[0])
            total += hits
            if hits > best:
                best, window = hits, (mean - [patch_px / 2, patch_px / 2, 0]) * side / _CLOSE_PX + [x, y, 0]
        return total, window

    def _close_hits(self, patch: Image, turn: float) -> Hits:
        cut = (patch.width - _CLOSE_SIDE) // 2
        turned = patch.rotate(turn, fillcolor=128).crop((cut, cut, cut + _CLOSE_SIDE, cut + _CLOSE_SIDE))
        upright = self._search(np.asarray(turned), 1.08, 1.0, 30, 64)
        mirrored = self._search(np.ascontiguousarray(np.asarray(turned)[:, ::-1]), 1.08, 1.0, 30, 64)
        mirrored[:, 0] = _CLOSE_SIDE - mirrored[:, 0]
        hits = np.concatenate([upright, mirrored])
        hits[:, :2] += cut
        return _turned_back(hits, turn, patch.size)

    def _hits(self, grey: Image, turn: float, scale: float, step: float, least: int) -> Hits:
        from PIL import Image

        turned = grey.rotate(turn, Image.Resampling.BILINEAR, fillcolor=128) if turn else grey
        return _turned_back(self._search(np.asarray(turned), scale, step, least, min(grey.size)), turn, grey.size)

    def _search(self, grey: np.ndarray, scale: float, step: float, least: int, most: int) -> Hits:
        """All windows that the cascade takes for a face, neither merged nor thinned out."""
        if min(grey.shape) <= least:
            return np.empty((0, 3))
        rows = self._cascade.detect_multi_scale(
            grey / 255.0, scale_factor=scale, step_ratio=step, min_size=(least, least), max_size=(most, most),
            min_neighbor_number=0, intersection_score_threshold=2.0,
        )  # fmt: skip
        windows = [(row["c"] + row["width"] / 2, row["r"] + row["height"] / 2, row["width"]) for row in rows]
        return np.array(windows, dtype=np.float64).reshape(-1, 3)


def _detail(grey: Image, window: np.ndarray) -> float:
    """How much neighbouring pixels differ, relative to the brightness; the cascade also hits soft shades without outlines."""
    from PIL import Image

    x, y, half = window[0], window[1], window[2] / 2
    box = (x - half, y - half, x + half, y + half)
    small = np.asarray(grey.transform((24, 24), Image.Transform.EXTENT, box, Image.Resampling.BILINEAR), dtype=np.float64)
    return float((np.abs(np.diff(small, axis=0)).mean() + np.abs(np.diff(small, axis=1)).mean()) / 2 / max(1.0, small.mean()))


def _turned_back(hits: Hits, turn: float, size: tuple[int, int]) -> Hits:
    """Windows of a picture that was turned counter-clockwise about its centre, as they lie in the original."""
    middle = np.array([size[0] / 2, size[1] / 2])
    c, s = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
    back = hits.copy()
    back[:, :2] = (hits[:, :2] - middle) @ np.array([[c, s], [-s, c]]) + middle
    return back


def _groups(hits: Hits) -> list[tuple[int, np.ndarray]]:
    """Windows on the same place, as (how many, their mean): centres within a quarter of a side, sides within a factor of 1.6."""
    x, y, side = hits.T
    small = np.minimum(side[:, None], side)
    near = (np.abs(x[:, None] - x) < small / 4) & (np.abs(y[:, None] - y) < small / 4)
    near &= np.maximum(side[:, None], side) < 1.6 * small
    left, groups = np.ones(len(hits), dtype=bool), []
    while left.any():
        centre = int(((near & left).sum(axis=1) * left).argmax())
        members = near[centre] & left
        groups.append((int(members.sum()), hits[members].mean(axis=0)))
        left &= ~members
    return groups


def _without_overlaps(candidates: Iterable[tuple[int, np.ndarray]]) -> list[tuple[int, np.ndarray]]:
    """Of (hits, window) whose centres lie in one another only the one with the most hits."""
    kept: list[tuple[int, np.ndarray]] = []
    for hits, window in sorted(candidates, key=lambda candidate: -candidate[0]):
        reach = [max(window[2], other[2]) / 2 for _, other in kept]
        if all(np.abs(window[:2] - other[:2]).max() > r for r, (_, other) in zip(reach, kept, strict=True)):
            kept.append((hits, window))
    return kept
