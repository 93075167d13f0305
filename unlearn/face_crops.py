"""Where a face lies, the square picture cut around it, and how alike two pictures are (numpy and Pillow only).

Knows neither what finds faces nor what becomes of a photo.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

CROP_SIDE = 1.4  # of a crop, in face sides: hair, ears and chin are on it, as on FaceScrub's pictures
MAX_CROP_PX = 512  # what is kept; every model set looks at 336 px or less
MIN_ROLL = 5.0  # degrees; a smaller tilt is left alone, because turning blurs
COPY = 0.94  # likeness of copies; measured: copies 0.93 to 1, different photos of one drawn person at most 0.93
_PRINT_PX = 32
_WINDOWS = (0.98, 0.96, 0.94, 0.92, 0.90, 0.88)  # parts of a picture in which a cropped copy is looked for


@dataclass(frozen=True)
class FoundFace:
    """A face in a photo.

    Attributes:
        x, y: its centre in px.
        side: from hairline to chin in px.
        roll: degrees by which it has to be turned counter-clockwise to be upright.
        embedding: unit length, from a recognition model; None without one.
    """

    x: float
    y: float
    side: float
    roll: float = 0.0
    embedding: np.ndarray | None = None


def shrink(pixels: np.ndarray, most_px: int = MAX_CROP_PX) -> np.ndarray:
    """The picture, uint8 (height, width, 3), scaled down so that no side is longer than `most_px`; never up."""
    from PIL import Image

    scale = most_px / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))


def crop_face(pixels: np.ndarray, face: FoundFace) -> np.ndarray:
    """A square of 1.4 face sides, uint8 (side, side, 3), at most 512 px, the face upright.

    At the photo's edge the square is moved inwards; it is smaller only where the photo is.
    """
    height, width = pixels.shape[:2]
    side = max(1, min(round(CROP_SIDE * face.side), height, width))
    left = int(np.clip(round(face.x - side / 2), 0, width - side))
    top = int(np.clip(round(face.y - side / 2), 0, height - side))
    if abs(face.roll) < MIN_ROLL:
        return shrink(np.ascontiguousarray(pixels[top : top + side, left : left + side]))
    return shrink(_turned_square(pixels, left, top, side, face.roll))


def _turned_square(pixels: np.ndarray, left: int, top: int, side: int, roll: float) -> np.ndarray:
    """The square turned about its centre; where it reaches beyond the photo, the photo's edge is repeated."""
    from PIL import Image

    turn = math.radians(roll)
    margin = math.ceil(side * (abs(math.cos(turn)) + abs(math.sin(turn)) - 1) / 2) + 1
    rows = np.clip(np.arange(top - margin, top + side + margin), 0, pixels.shape[0] - 1)
    columns = np.clip(np.arange(left - margin, left + side + margin), 0, pixels.shape[1] - 1)
    region = Image.fromarray(pixels[np.ix_(rows, columns)]).rotate(roll, Image.Resampling.BICUBIC)
    return np.asarray(region.crop((margin, margin, margin + side, margin + side)))


class Fingerprint:
    """What a picture looks like at 32 x 32 px, to tell copies: recompressed, resized, brightened, mirrored, a bit cropped.

    Compared are differences of neighbouring grey values, as unit vectors; a rigid pose before a plain wall is no copy.
    """

    def __init__(self, pixels: np.ndarray) -> None:
        from PIL import Image

        self._grey = Image.fromarray(pixels).convert("L").resize((4 * _PRINT_PX,) * 2, Image.Resampling.BOX)
        whole = self._of((0.0, 0.0, 1.0))
        self._whole = np.stack([_unit(whole), _unit(whole[:, ::-1])])  # (2, gradients): as it is and mirrored

    def _of(self, window: tuple[float, float, float]) -> np.ndarray:
        from PIL import Image

        left, top, share = (4 * _PRINT_PX * number for number in window)
        small = self._grey.resize((_PRINT_PX,) * 2, Image.Resampling.BOX, box=(left, top, left + share, top + share))
        return np.asarray(small, dtype=np.float32)

    @cached_property
    def _parts(self) -> np.ndarray:
        """The whole and its windows, unit vectors (1 + 6 * 9, gradients)."""
        places = [(0.0, 0.0, 1.0)]
        for share in _WINDOWS:
            steps = (0.0, (1 - share) / 2, 1 - share)
            places += [(left, top, share) for top in steps for left in steps]
        return np.stack([_unit(self._of(place)) for place in places])

    def likeness(self, other: Fingerprint) -> float:
        """Cosine of the best fit of one whole picture to a part of the other; 1 for equal pictures."""
        return float(max((self._whole @ other._parts.T).max(), (other._whole @ self._parts.T).max()))

    def is_copy_of(self, other: Fingerprint) -> bool:
        """Whether both are the same photo."""
        return self.likeness(other) >= COPY


def _unit(grey: np.ndarray) -> np.ndarray:
    """Differences to the right and to below as one vector of length 1, float32; a plain picture gives zeros."""
    vector = np.concatenate([np.diff(grey, axis=1).ravel(), np.diff(grey, axis=0).ravel()])
    length = float(np.linalg.norm(vector))
    return vector / length if length > 0 else vector
