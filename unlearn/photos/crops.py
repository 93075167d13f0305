"""Where a face lies, the square picture cut around it, and how similar two pictures are (numpy and Pillow only)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

CROP_SIDE = 1.4  # of a crop, in face sides: hair, ears and chin are on it, as on FaceScrub's pictures
MAX_CROP_PX = 512  # what is kept; every model set looks at 336 px or less
MIN_ROLL = 5.0  # degrees; a smaller tilt is left alone, because turning blurs
_WORK_PX = 128  # of a picture whose copies are looked for


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


@dataclass(frozen=True)
class Look:
    """How pictures are compared: where in one picture a copy of the other is looked for, and from which likeness on it is a copy.

    Attributes:
        side_px: to which a picture, or a part of it, is scaled down.
        share: the middle part of one picture that is looked for in the other; 1: the whole.
        windows: sizes of the parts of the other picture in which it is looked for, as shares of a side.
        steps: places of each window along a side.
        copy: likeness of copies.
    """

    side_px: int
    share: float
    windows: tuple[float, ...]
    steps: int
    copy: float


# Whole photos, one of which may be cut from the other. Measured: recompressed, resized, brightened, mirrored copies 0.957 to 1,
# cropped ones 0.91 to 1; different photos of one drawn person, which are more alike than any real ones, at most 0.926.
PHOTO = Look(32, 1.0, (1.0, 0.98, 0.96, 0.94, 0.92, 0.90, 0.88), 3, 0.94)
# Crops around a face that was found in each copy separately, so they are shifted a little. Measured: copies shifted and scaled by up
# to 4 % 0.83 to 1, nine of ten above 0.89; faces of different people at most 0.71.
FACE = Look(16, 0.85, (0.77, 0.81, 0.85, 0.89, 0.93), 5, 0.87)


class Fingerprint:
    """What a picture looks like when small, to tell copies: recompressed, resized, brightened, mirrored, a bit cropped.

    Compared are differences of neighbouring grey values, as unit vectors.
    """

    def __init__(self, pixels: np.ndarray, look: Look = PHOTO) -> None:
        from PIL import Image

        self.look = look
        self._grey = Image.fromarray(pixels).convert("L").resize((_WORK_PX,) * 2, Image.Resampling.BOX)
        middle = self._part((1 - look.share) / 2, (1 - look.share) / 2, look.share)
        self._middle = np.stack([_unit(middle), _unit(middle[:, ::-1])])  # (2, gradients): as it is and mirrored

    def _part(self, left: float, top: float, share: float) -> np.ndarray:
        from PIL import Image

        box = tuple(_WORK_PX * edge for edge in (left, top, left + share, top + share))
        size = (self.look.side_px,) * 2
        return np.asarray(self._grey.resize(size, Image.Resampling.BOX, box=box), dtype=np.float32)  # type: ignore[arg-type]

    @cached_property
    def _parts(self) -> np.ndarray:
        """The windows, unit vectors (windows, gradients)."""
        vectors = []
        for share in self.look.windows:
            edges = np.unique(np.linspace(0, 1 - share, self.look.steps))
            vectors += [_unit(self._part(left, top, share)) for top in edges for left in edges]
        return np.stack(vectors)

    def likeness(self, other: Fingerprint) -> float:
        """Cosine of the best fit of the one to a part of the other; 1 for equal pictures."""
        return float(max((self._middle @ other._parts.T).max(), (other._middle @ self._parts.T).max()))

    def is_copy_of(self, other: Fingerprint) -> bool:
        """Whether both are the same photo."""
        return self.likeness(other) >= self.look.copy


def _unit(grey: np.ndarray) -> np.ndarray:
    """Differences to the right and to below as one vector of length 1, float32; a plain picture gives zeros."""
    vector = np.concatenate([np.diff(grey, axis=1).ravel(), np.diff(grey, axis=0).ravel()])
    length = float(np.linalg.norm(vector))
    return vector / length if length > 0 else vector
