"""What each finder finds in real photos, upright and turned, how well it aligns, and how long it takes.

    python -m tests.measure_finders [--finder mtcnn --finder cascade]

The photos are those of installed packages. A face counts as found if a found one lies on it (a quarter of its side); what lies on no face
is a false alarm. It counts as aligned if its crop is turned upright to 10 degrees. Where faces lie, and how they are tilted, is what MTCNN
says of the upright photo, checked by eye.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tests.support.photo_zoo import INSIGHTFACE_IMAGES, ONE_FACE, SITE, SIX_FACES
from unlearn.cli.console import table
from unlearn.config import Settings
from unlearn.photos.finders import FaceFinder, choose_finder

TURNS = (0, 20, -20, 40, -40)
SKIMAGE, GRADIO = SITE / "skimage" / "data", SITE / "gradio" / "media_assets" / "images"
MASKS = tuple(sorted(INSIGHTFACE_IMAGES.glob("mask_*.jpg")))
NAMES = ("chelsea", "coffee", "coins", "moon", "text", "brick", "gravel", "motorcycle_left", "horse")
THINGS = (*(SKIMAGE / f"{name}.png" for name in NAMES), SKIMAGE / "rocket.jpg",
          GRADIO / "cheetah1.jpg", GRADIO / "lion.jpg", GRADIO / "tower.jpg", *MASKS)  # fmt: skip


@dataclass(frozen=True)
class Face:
    """A face in an upright photo: its centre and side in px, and its tilt in degrees (positive: to the viewer's right)."""

    x: float
    y: float
    side: float
    roll: float


SIX = (Face(113, 329, 133, -27), Face(310, 213, 110, -28), Face(515, 340, 145, 13),
       Face(782, 410, 123, 1), Face(934, 132, 142, -11), Face(1171, 335, 123, -4))  # fmt: skip
PORTRAITS = {
    "astronaut": (SKIMAGE / "astronaut.png", Face(225, 111, 119, 4)),
    "camera, in profile": (SKIMAGE / "camera.png", Face(240, 159, 81, 12)),
    "crop of 112 px": (ONE_FACE, Face(55, 61, 111, 2)),
}


@dataclass
class Count:
    """Of one finder on one kind of photo."""

    faces: int = 0
    found: int = 0
    aligned: int = 0
    false_alarms: int = 0
    seconds: float = 0.0
    photos: int = 0

    def add(self, finder: FaceFinder, photo: Image.Image, faces: tuple[Face, ...], turn: float) -> None:
        """Count what the finder finds in the photo turned counter-clockwise."""
        turned = photo.rotate(turn, Image.Resampling.BICUBIC, expand=True)
        before = time.process_time()
        found = finder.find(np.asarray(turned))
        self.seconds += time.process_time() - before
        self.photos += 1
        self.faces += len(faces)
        self.false_alarms += len(found)
        for face in faces:
            around = (complex(face.x, face.y) - complex(*photo.size) / 2) * np.exp(-1j * np.deg2rad(turn)) + complex(*turned.size) / 2
            near = [one for one in found if abs(complex(one.x, one.y) - around) < face.side / 4]
            self.found += bool(near)
            self.false_alarms -= bool(near)
            self.aligned += any(abs((one.roll - face.roll + turn + 180) % 360 - 180) <= 10 for one in near)

    @property
    def row(self) -> tuple[str, ...]:
        """Found, aligned, false alarms, processor time a photo."""
        shares = [f"{number} of {self.faces}" if self.faces else "-" for number in (self.found, self.aligned)]
        return (*shares, str(self.false_alarms), f"{self.seconds / self.photos:.2f} s")


def opened(path: Path) -> Image.Image:
    return Image.open(path).convert("RGB")


def rows_of(finder: FaceFinder) -> list[tuple[str, ...]]:
    """Rows (finder, photos, found, aligned, false alarms, processor time a photo)."""
    counts: dict[str, Count] = {}
    for turn in TURNS:
        kind = f"six people, turned by {turn}" if turn else "six people, upright"
        counts.setdefault(kind, Count()).add(finder, opened(SIX_FACES), SIX, turn)
    for name, (path, face) in PORTRAITS.items():
        for turn in TURNS:
            counts.setdefault(f"{name}, five turns", Count()).add(finder, opened(path), (face,), turn)
    for path in THINGS:
        counts.setdefault(f"{len(THINGS)} photos without faces", Count()).add(finder, opened(path), (), 0)
    return [(finder.name, kind, *count.row) for kind, count in counts.items()]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--finder", action="append", choices=("insightface", "mtcnn", "cascade"))
    parser.add_argument("--pack", default="buffalo_l")
    arguments = parser.parse_args()
    rows: list[tuple[str, ...]] = []
    for detector in arguments.finder or ("mtcnn", "cascade"):
        chosen = choose_finder(detector, arguments.pack, None, Settings(device="cpu", n_threads=1))
        chosen.find(np.zeros((64, 64, 3), np.uint8))  # loads it
        rows += rows_of(chosen)
    print(table(rows, ("finder", "photos", "found", "aligned", "false alarms", "processor time")))
