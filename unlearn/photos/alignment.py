"""From five landmarks to the square that holds a face upright, by the template that recognition models share (numpy only).

Points are complex numbers: x the real and y the imaginary part, in px.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unlearn.photos.crops import FoundFace

# Left and right eye as seen, nose, left and right corner of the mouth, in an aligned crop of 112 px, as ArcFace and SFace want it.
TEMPLATE = np.array([38.2946 + 51.6963j, 73.5318 + 51.5014j, 56.0252 + 71.7366j, 41.5493 + 92.3655j, 70.7299 + 92.2041j])
TEMPLATE_CENTRE = 56 + 61j  # there, of the boxes that MTCNN draws from hairline to chin; measured on upright faces
TEMPLATE_SIDE = 108.0  # of these boxes; measured 98 to 119


@dataclass(frozen=True)
class Similarity:
    """Brings the template onto a face in a photo: a point t lies at turn * t + shift there."""

    turn: complex
    shift: complex

    @property
    def centre(self) -> complex:
        """Of the face."""
        return self.turn * TEMPLATE_CENTRE + self.shift

    @property
    def side(self) -> float:
        """Of the face, from hairline to chin."""
        return TEMPLATE_SIDE * abs(self.turn)

    @property
    def roll(self) -> float:
        """Degrees by which the face has to be turned counter-clockwise to be upright."""
        return float(np.rad2deg(np.angle(self.turn)))

    def face(self, embedding: np.ndarray | None = None) -> FoundFace:
        """The face, to be cropped upright."""
        return FoundFace(self.centre.real, self.centre.imag, self.side, self.roll, embedding)


def similarity(landmarks: np.ndarray) -> Similarity:
    """The similarity that brings the template onto five landmarks, complex (5,), with least squares."""
    spread = TEMPLATE - TEMPLATE.mean()
    turn = complex(np.vdot(spread, landmarks - landmarks.mean()) / np.vdot(spread, spread))
    return Similarity(turn, complex(landmarks.mean() - turn * TEMPLATE.mean()))
