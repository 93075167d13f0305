"""Tiny folders laid out as the published data sets of labelled pictures; what they show does not matter. Knows no assertion."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.support.photo_zoo import encoded, picture

CIFAR10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
CIFAR100 = [f"kind_{number}" for number in range(100)]
SCENES = ("a/abbey", "b/bazaar/indoor", "b/bazaar/outdoor", "s/sky")
PEOPLE = {"actors": ("Ben_Carver", "Robert_Di_Niro"), "actresses": ("Ada_Brook",)}


def write_pictures(folder: Path, n_pictures: int, seed: int = 0, name: str = "secret-{}.jpg") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(n_pictures):
        (folder / name.format(number)).write_bytes(encoded(picture(seed + number), "JPEG"))


def imagenet_v2(root: Path) -> Path:
    """Six of the 1,000 folders, two pictures each, inside the folder of the archive."""
    for number in (0, 1, 7, 207, 990, 999):
        write_pictures(root / "imagenetv2-matched-frequency-format-val" / str(number), 2, number)
    return root


def cifar_rows(n_rows: int, n_classes: int, seed: int = 0) -> tuple[np.ndarray, list[int]]:
    """Rows uint8 (n, 3072) and their labels."""
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (n_rows, 3072), dtype=np.uint8), [number % n_classes for number in range(n_rows)]


def cifar_pickles(root: Path, name: str, protocol: int = 2) -> Path:
    """The Python version."""
    is_ten = name == "cifar10"
    folder = root / ("cifar-10-batches-py" if is_ten else "cifar-100-python")
    folder.mkdir(parents=True)
    rows, labels = cifar_rows(20 if is_ten else 100, 10 if is_ten else 100)
    batch: dict[str, Any] = {"data": rows, "labels" if is_ten else "fine_labels": labels, "filenames": ["a.png"] * len(labels)}
    meta: dict[str, Any] = {"label_names": CIFAR10, "num_vis": 3072} if is_ten else {"fine_label_names": CIFAR100}
    for file, content in ((("test_batch" if is_ten else "test"), batch), (("batches.meta" if is_ten else "meta"), meta)):
        (folder / file).write_bytes(pickle.dumps(content, protocol))
    return root


def cifar_binaries(root: Path, name: str) -> Path:
    """The binary version."""
    is_ten = name == "cifar10"
    folder = root / ("cifar-10-batches-bin" if is_ten else "cifar-100-binary")
    folder.mkdir(parents=True)
    rows, labels = cifar_rows(20 if is_ten else 100, 10 if is_ten else 100)
    before = [[label] if is_ten else [0, label] for label in labels]
    (folder / ("test_batch.bin" if is_ten else "test.bin")).write_bytes(np.hstack([np.array(before, np.uint8), rows]).tobytes())
    (folder / ("batches.meta.txt" if is_ten else "fine_label_names.txt")).write_text("\n".join([*(CIFAR10 if is_ten else CIFAR100), ""]))
    return root


def cifar_pictures(root: Path, name: str) -> Path:
    """PNG files, a folder a class below test/; those of CIFAR-100 within folders of their superclasses."""
    for number, kind in enumerate(CIFAR10 if name == "cifar10" else CIFAR100):
        folder = root / "test" / kind if name == "cifar10" else root / "test" / f"group_{number % 20}" / kind
        folder.mkdir(parents=True)
        Image.fromarray(picture(number, 32, 32)).save(folder / "0.png")
    return root


def flowers(root: Path, n_pictures: int = 12, is_parted: bool = True) -> Path:
    """Pictures numbered from 1, labels from 1, and the numbers of the test part."""
    from scipy.io import savemat

    write_pictures(root / "flowers-102" / "jpg", 0)
    for number in range(1, n_pictures + 1):
        (root / "flowers-102" / "jpg" / f"image_{number:05d}.jpg").write_bytes(encoded(picture(number), "JPEG"))
    labels = np.array([[1 + number % 6 for number in range(n_pictures)]], np.uint8)
    savemat(root / "flowers-102" / "imagelabels.mat", {"labels": labels})
    if is_parted:
        numbers = {"trnid": [[1, 2]], "valid": [[3, 4]], "tstid": [list(range(5, n_pictures + 1))]}
        savemat(root / "flowers-102" / "setid.mat", numbers)
    return root


def sun397(root: Path, is_listed: bool = True) -> Path:
    for number, scene in enumerate(SCENES):
        write_pictures(root / "SUN397" / scene, 2, number, "sun_{}.jpg")
    if is_listed:
        (root / "SUN397" / "ClassName.txt").write_text("".join(f"/{scene}\n" for scene in (*SCENES, "y/yard")))
    return root


def facescrub(root: Path, n_pictures: int = 2) -> Path:
    """Whole pictures and crops of three people."""
    for gender, people in PEOPLE.items():
        for number, person in enumerate(people):
            write_pictures(root / gender / "images" / person, n_pictures, 10 * number)
            write_pictures(root / gender / "faces" / person, 1, 50 + number)
    return root
