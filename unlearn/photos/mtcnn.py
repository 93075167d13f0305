"""Faces by MTCNN: squares are proposed all over the photo, looked at twice, and looked at once more when turned upright.

The first network proposes squares over a pyramid of the photo, and the second and the third look at each. They were trained on faces that
are about upright, so that they also see the photo turned to both sides. What is left is turned upright by its five landmarks and shown to
the third network again, which gives better landmarks and rules out chance hits.
Source: Zhang et al. 2016 (`mtcnn_networks`); the thresholds before the last are those of the package `mtcnn` 1.0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from unlearn.config import FinderBars
from unlearn.photos.alignment import similarity
from unlearn.photos.crops import FoundFace
from unlearn.photos.mtcnn_networks import Network, load_networks

if TYPE_CHECKING:
    from PIL.Image import Image

WORK_PX = 800  # long side of the picture that is searched
MIN_FACE_PX = 28  # there; smaller faces (3.5 % of the long side) are not found
PROPOSED, REFINED, FOUND = 0.6, 0.7, 0.8  # probabilities that the three networks must give
TURNS = (-45, 0, 45)  # degrees
_SHRINK = 0.709  # from one level of the pyramid to the next: half the area
_CELL_PX, _STRIDE = 12, 2  # of the first network
_REFINED_PX, _FOUND_PX = 24, 48  # sides of the pictures that the others see
_MAX_PROPOSALS = 600
_BATCH = 128
Recognise = Callable[[np.ndarray, np.ndarray], np.ndarray | None]  # (photo, landmarks complex (5,)) -> embedding of unit length


@dataclass(frozen=True)
class Squares:
    """Places in a photo, points as complex numbers: x the real and y the imaginary part.

    Attributes:
        centres: (n,).
        sides: (n,) in px.
        scores: (n,) probabilities of a face.
        landmarks: (n, 5); (n, 0) before the third network.
    """

    centres: np.ndarray
    sides: np.ndarray
    scores: np.ndarray
    landmarks: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> Squares:
        return Squares(self.centres[rows], self.sides[rows], self.scores[rows], self.landmarks[rows])

    def __len__(self) -> int:
        return len(self.scores)

    def moved(self, origin: complex, turn: complex, target: complex) -> Squares:
        """Turned about a point that comes to lie on another one; the sides stay, and stay parallel to the photo's."""
        shift = target - origin * turn
        return Squares(self.centres * turn + shift, self.sides, self.scores, self.landmarks * turn + shift)

    def without_overlaps(self, most: float, of_smaller: bool = False) -> Squares:
        """Of squares that share more than `most` of their union, or of the smaller one, only that with the highest score, best first."""
        order, kept = np.argsort(-self.scores, kind="stable"), []
        while len(order):
            best, rest = order[0], order[1:]
            kept.append(best)
            apart = self.centres[rest] - self.centres[best]
            small = np.minimum(self.sides[rest], self.sides[best])
            reach = (self.sides[rest] + self.sides[best]) / 2
            common = np.clip(reach - abs(apart.real), 0, small) * np.clip(reach - abs(apart.imag), 0, small)
            whole = small**2 if of_smaller else self.sides[rest] ** 2 + self.sides[best] ** 2 - common
            order = rest[common <= most * whole]
        return self[np.array(kept, dtype=int)]


def _together(parts: list[Squares]) -> Squares:
    fields = ((part.centres, part.sides, part.scores, part.landmarks) for part in parts)
    return Squares(*(np.concatenate(arrays) for arrays in zip(*fields, strict=True)))


class MtcnnFinder:
    """Finds faces tilted up to some 70 degrees, also half in profile.

    Args:
        warnings: for the result.
        recognise: gives the embedding of a face; None: nothing tells people apart.
        bars: how sure it has to be, and from which on two faces are those of one person.
    """

    def __init__(self, warnings: tuple[str, ...] = (), recognise: Recognise | None = None, bars: FinderBars | None = None) -> None:
        bars = bars or FinderBars()
        self.warnings, self._recognise, self._sure = warnings, recognise, bars.mtcnn_sure
        self.same_person = bars.sface_same_person if recognise else 1.0  # without embeddings nothing is compared
        self.name = "MTCNN with SFace" if recognise else "MTCNN"

    @cached_property
    def _networks(self) -> dict[str, Network]:
        return load_networks()

    def find(self, pixels: np.ndarray) -> list[FoundFace]:
        """The faces of a photo uint8 (height, width, 3), from left to right."""
        faces = []
        for landmarks in self.landmarks(pixels):
            embedding = self._recognise(pixels, landmarks) if self._recognise else None
            faces.append(similarity(landmarks).face(embedding))
        return sorted(faces, key=lambda face: face.x)

    def landmarks(self, pixels: np.ndarray) -> np.ndarray:
        """Five landmarks of each face, complex (faces, 5): eyes, nose, corners of the mouth."""
        from PIL import Image

        scale = max(1.0, max(pixels.shape[:2]) / WORK_PX)
        height, width = (max(1, round(side / scale)) for side in pixels.shape[:2])
        photo = Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX)
        candidates = _together([self._faces(photo, turn) for turn in TURNS]).without_overlaps(0.5, of_smaller=True)
        upright = _together([candidates[np.arange(0)], *(self._looked_at_again(photo, points) for points in candidates.landmarks)])
        faces = upright[upright.scores >= self._sure].without_overlaps(0.5, of_smaller=True)
        return faces.landmarks * scale

    def _proposals(self, photo: Image) -> Squares:
        levels, scale = [_squares(np.empty((0, 4)), np.empty(0))], _CELL_PX / MIN_FACE_PX
        while min(photo.size) * scale >= _CELL_PX:
            levels.append(self._level(photo, scale).without_overlaps(0.5))
            scale *= _SHRINK
        proposals = _together(levels).without_overlaps(0.5)
        return proposals[np.arange(min(len(proposals), _MAX_PROPOSALS))]

    def _level(self, photo: Image, scale: float) -> Squares:
        """What the first network sees in the photo at one size."""
        from PIL import Image

        width, height = (round(side * scale) for side in photo.size)
        answers = self._networks["pnet"](np.asarray(photo.resize((width, height), Image.Resampling.BOX))[None])
        scores, boxes = answers["face"][0], answers["box"][0]
        rows, columns = np.nonzero(scores > PROPOSED)
        corners = _STRIDE * np.stack([columns, rows], axis=1)
        cells = np.hstack([corners, corners + _CELL_PX])
        return _squares((cells + _CELL_PX * boxes[rows, columns]) / scale, scores[rows, columns])

    def _faces(self, photo: Image, turn: float) -> Squares:
        """What the networks see in the photo turned counter-clockwise, as it lies in the original."""
        from PIL import Image

        turned = photo.rotate(turn, Image.Resampling.BILINEAR, expand=True) if turn else photo
        refined = self._seen(turned, self._proposals(turned), "rnet", _REFINED_PX)
        refined = refined[refined.scores > REFINED].without_overlaps(0.7)
        found = self._seen(turned, refined, "onet", _FOUND_PX)
        found = found[found.scores > FOUND].without_overlaps(0.7, of_smaller=True)
        back = complex(np.exp(1j * np.deg2rad(turn)))
        return found.moved(complex(*turned.size) / 2, back, complex(*photo.size) / 2)

    def _looked_at_again(self, photo: Image, landmarks: np.ndarray) -> Squares:
        """A face turned upright by its landmarks, as the third network sees it then."""
        from PIL import Image

        found = similarity(landmarks)
        reach = math.ceil(found.side)  # more than half a diagonal, so that no corner is empty when it is turned
        left, top = math.floor(found.centre.real) - reach, math.floor(found.centre.imag) - reach
        around = photo.crop((left, top, left + 2 * reach, top + 2 * reach)).rotate(found.roll, Image.Resampling.BILINEAR)
        middle = complex(reach, reach)
        place = Squares(np.array([middle]), np.array([found.side]), np.ones(1), np.empty((1, 0)))
        seen = self._seen(around, place, "onet", _FOUND_PX)
        return seen.moved(middle, found.turn / abs(found.turn), complex(left, top) + middle)

    def _seen(self, photo: Image, places: Squares, network: str, side_px: int) -> Squares:
        """The places as a network sees them: moved, with its probability and, from the third, landmarks."""
        parts = [_squares(np.empty((0, 4)), np.empty(0), np.empty((0, 5 if network == "onet" else 0)))]
        for start in range(0, len(places), _BATCH):
            batch = places[np.arange(start, min(start + _BATCH, len(places)))]
            patches = [_patch(photo, *place, side_px) for place in zip(batch.centres, batch.sides, strict=True)]
            answers = self._networks[network](np.stack(patches))
            sides = batch.sides[:, None]
            corners = np.stack([batch.centres.real, batch.centres.imag], axis=1) - sides / 2
            boxes = np.hstack([corners, corners + sides]) + answers["box"] * sides
            points = answers.get("landmarks", np.empty((len(batch), 0)))  # five x, then five y
            x, y = (corners[:, axis, None] + part * sides for axis, part in enumerate(np.split(points, 2, axis=1)))
            parts.append(_squares(boxes, answers["face"], x + 1j * y))
        return _together(parts)


def _squares(boxes: np.ndarray, scores: np.ndarray, landmarks: np.ndarray | None = None) -> Squares:
    """Around boxes (n, 4): left, top, right, bottom."""
    left, top, right, bottom = boxes.T
    points = np.empty((len(boxes), 0), dtype=complex) if landmarks is None else landmarks.astype(complex)
    return Squares((left + right + 1j * (top + bottom)) / 2, np.maximum(right - left, bottom - top), scores, points)


def _patch(photo: Image, centre: complex, side: float, side_px: int) -> np.ndarray:
    """A square of the photo at the size that a network sees; what is beyond the photo is black."""
    from PIL import Image

    edges = np.round([centre.real - side / 2, centre.imag - side / 2, centre.real + side / 2, centre.imag + side / 2]).astype(int)
    square = photo.crop((*edges[:2], *np.maximum(edges[2:], edges[:2] + 1)))
    return np.asarray(square.resize((side_px, side_px), Image.Resampling.BILINEAR))
