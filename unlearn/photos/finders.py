"""What finds faces: InsightFace where its pack is on this machine, else MTCNN, at last the cascade. Nothing is ever downloaded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from unlearn.config import FinderBars, Settings
from unlearn.config.paths import user_path
from unlearn.errors import ModelLoadError
from unlearn.photos.cascade import CascadeFinder
from unlearn.photos.crops import FoundFace
from unlearn.photos.mtcnn import MtcnnFinder
from unlearn.photos.mtcnn_networks import NETWORKS
from unlearn.photos.recognition import SFACE, SFace

DEFAULT_ROOT = Path("~/.insightface")
LICENCE_NOTE = "InsightFace's packs are licensed for non-commercial research only."
FRONTAL = "The cascade sees only faces that look at the camera, and cannot tell people apart."
DETECTION_THRESHOLD = 0.5  # InsightFace's own
_PACK_ERRORS = (AssertionError, OSError, ValueError, TypeError, RuntimeError, LookupError)  # and onnxruntime's


def not_compared(pack: str) -> str:
    """The warning where nothing compares the faces that were found."""
    return f"The faces were not compared with each other: neither SFace nor InsightFace's pack {pack} is on this machine (docs/photos.md)."


class FaceFinder(Protocol):
    """Finds the faces of a photo uint8 (height, width, 3), from left to right; `warnings` are shown with the result.

    `same_person` is the least cosine of the embeddings of two faces of one person.
    """

    @property
    def name(self) -> str: ...

    @property
    def warnings(self) -> tuple[str, ...]: ...

    @property
    def same_person(self) -> float: ...

    def find(self, pixels: np.ndarray) -> list[FoundFace]: ...


@dataclass(frozen=True)
class InsightFinder:
    """Detection, five landmarks and, where the pack has it, recognition of InsightFace.

    Attributes:
        analysis: a prepared `insightface.app.FaceAnalysis`, or something with the same `get(bgr)`.
        name: for the result.
        warnings: for the result.
        same_person: least cosine of two embeddings of one person.
    """

    analysis: Any
    name: str
    warnings: tuple[str, ...] = (LICENCE_NOTE,)
    same_person: float = FinderBars.insightface_same_person

    def find(self, pixels: np.ndarray) -> list[FoundFace]:
        """The faces of a photo, turned upright by the line through the eyes."""
        faces = [_found_face(face) for face in self.analysis.get(np.ascontiguousarray(pixels[:, :, ::-1]))]
        return sorted(faces, key=lambda face: face.x)


def _found_face(face: Any) -> FoundFace:
    left, top, right, bottom = (float(number) for number in face.bbox[:4])
    roll = 0.0
    if face.kps is not None:
        dx, dy = (float(number) for number in np.asarray(face.kps[1]) - np.asarray(face.kps[0]))
        roll = float(np.rad2deg(np.arctan2(dy, dx)))
    embedding = None
    if face.embedding is not None:
        vector = np.asarray(face.embedding, dtype=np.float32)
        length = float(np.linalg.norm(vector))
        embedding = vector / length if length > 0 else None
    return FoundFace((left + right) / 2, (top + bottom) / 2, max(right - left, bottom - top), roll, embedding)


def find_pack(pack: str, root: Path | None) -> Path | None:
    """The folder with the pack's .onnx files below root/models; None if it is not on this machine."""
    folder = (user_path(root or DEFAULT_ROOT) / "models" / pack).resolve()
    for candidate in (folder, folder / pack):  # some packs hold a folder of their own name
        if candidate.is_dir() and any(candidate.glob("*.onnx")):
            return candidate
    return None


def choose_finder(detector: str, pack: str, root: Path | None, settings: Settings, bars: FinderBars | None = None) -> FaceFinder:
    """What finds faces for a setting.

    Args:
        detector: "insightface", "mtcnn", "cascade", or "auto" for InsightFace if its pack is at hand, else MTCNN, else the cascade.
        pack, root: which pack, and the folder that holds models/<pack>.
        settings: the device.
        bars: those of the model set; None: the defaults.

    Raises:
        ModelLoadError: InsightFace or MTCNN was asked for, and its files are missing; or they cannot be loaded.
    """
    bars = bars or FinderBars()
    if detector == "cascade":
        return CascadeFinder((FRONTAL,), bars)
    folder = find_pack(pack, root) if detector != "mtcnn" else None
    if folder is not None:
        return replace(_load_insightface(folder, pack, settings), same_person=bars.insightface_same_person)
    if detector == "insightface":
        place = (root or DEFAULT_ROOT) / "models" / pack
        how = f"To get it: insightface-cli model.download {pack}, or unpack it into {place}. {LICENCE_NOTE}"
        raise ModelLoadError(f"InsightFace's pack {pack} is not on this machine. {how}")
    if detector == "auto" and not NETWORKS.is_file():
        return CascadeFinder((f"The file of the face finder MTCNN is missing; install the application again. {FRONTAL}",), bars)
    recognition = find_pack(SFACE, root)
    if recognition is None:
        return MtcnnFinder((not_compared(pack),), bars=bars)
    return MtcnnFinder((), SFace(min(recognition.glob("*.onnx"))), bars)


def _load_insightface(folder: Path, pack: str, settings: Settings) -> InsightFinder:
    """FaceAnalysis on a folder that exists: given a path, it never asks the network."""
    try:
        import onnxruntime
        from insightface.app import FaceAnalysis
        from onnxruntime.capi import onnxruntime_pybind11_state as state
    except ImportError as error:
        raise ModelLoadError(f"InsightFace cannot be imported: {error}.") from error
    foreign = [kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    errors: tuple[type[Exception], ...] = (*_PACK_ERRORS, *foreign)
    device, warnings = _onnx_device(settings.device, onnxruntime.get_available_providers())
    providers: list[Any] = ["CPUExecutionProvider"]
    if device >= 0:
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": device}))
    options = onnxruntime.SessionOptions()
    if settings.n_threads is not None:
        options.intra_op_num_threads = settings.n_threads
    try:
        analysis = FaceAnalysis(
            str(folder), allowed_modules=["detection", "recognition"], providers=providers, sess_options=options
        )
        analysis.prepare(ctx_id=device, det_thresh=DETECTION_THRESHOLD)
    except errors as error:
        raise ModelLoadError(f"InsightFace's pack {pack} is damaged or incomplete; download it again.") from error
    return InsightFinder(analysis, f"insightface {pack}", (*warnings, LICENCE_NOTE))


def _onnx_device(device: str, providers: list[str]) -> tuple[int, tuple[str, ...]]:
    """The number of the GPU (-1 for the CPU), and a warning where the settings ask for a GPU that is not available."""
    has_cuda = "CUDAExecutionProvider" in providers
    if device.startswith("cuda") and not has_cuda:
        return -1, ("Faces were found on the CPU: this onnxruntime has no CUDA; install onnxruntime-gpu.",)
    if device == "cpu" or not has_cuda:
        return -1, ()
    return int(device.partition(":")[2] or 0), ()
