"""Tells faces apart by SFace, a recognition model that everybody may use, where its file is on this machine; never downloaded.

It is `face_recognition_sface_2021dec.onnx` of the OpenCV Zoo (Apache 2.0), in the folder models/sface below the root of the packs.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from unlearn.errors import ModelLoadError

SFACE = "sface"  # folder below root/models


class SFace:
    """Embeddings of faces by OpenCV's `FaceRecognizerSF`, which aligns by five landmarks itself.

    Args:
        path: the model's .onnx file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def _recogniser(self) -> Any:
        import cv2

        try:
            return cv2.FaceRecognizerSF.create(str(self._path), "")
        except cv2.error as error:
            raise ModelLoadError("The file of the face recognition SFace is damaged or no ONNX model; download it again.") from error

    def __call__(self, pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray | None:
        """The embedding, unit length, of the face with these landmarks, complex (5,), in a photo uint8 (height, width, 3)."""
        points = np.stack([landmarks.real, landmarks.imag], axis=1)
        row = np.concatenate([np.zeros(4), points.ravel(), np.ones(1)]).astype(np.float32)[None]  # the box is not looked at
        bgr = np.ascontiguousarray(pixels[:, :, ::-1])
        vector = np.asarray(self._recogniser.feature(self._recogniser.alignCrop(bgr, row)), dtype=np.float32).ravel()
        length = float(np.linalg.norm(vector))
        return vector / length if length > 0 else None
