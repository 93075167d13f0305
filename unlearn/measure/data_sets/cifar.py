"""CIFAR-10 and CIFAR-100 as they were published: Python pickles, binary files, or pictures in a folder for each class.

A pickle can run any program that its author likes. Only lists, dictionaries, texts, numbers and arrays are read here, and arrays are put
together from their bytes without numpy's own loader; anything else is refused.
"""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unlearn.config.zero_shot import DataSetName
from unlearn.errors import InputError
from unlearn.measure.data_sets.class_names import as_words
from unlearn.measure.data_sets.data_set import DataSet, of_arrays, of_files
from unlearn.measure.data_sets.folders import class_pictures, first_folder

SIDE = 32
N_BYTES = 3 * SIDE * SIDE  # of a picture: all red values, then green, then blue


@dataclass(frozen=True)
class _Layout:
    """How the files of one of the two data sets are called, and what stands in them."""

    n_classes: int
    pickles: str
    pickled_test: str
    pickled_names: tuple[str, str]  # file, and key in it
    labels: str
    binaries: str
    binary_test: str
    binary_names: str
    n_label_bytes: int  # before each picture; the last of them is the class


_LAYOUTS = {
    "cifar10": _Layout(10, "cifar-10-batches-py", "test_batch", ("batches.meta", "label_names"), "labels",
                       "cifar-10-batches-bin", "test_batch.bin", "batches.meta.txt", 1),
    "cifar100": _Layout(100, "cifar-100-python", "test", ("meta", "fine_label_names"), "fine_labels",
                        "cifar-100-binary", "test.bin", "fine_label_names.txt", 2),
}  # fmt: skip


def open_cifar(name: DataSetName, folder: Path) -> DataSet | None:
    """The test part of CIFAR-10 or CIFAR-100; None for a folder of another layout.

    Raises:
        InputError: a file of it is damaged, or a pickle holds what no such file holds.
    """
    layout = _LAYOUTS[name]
    pickles = first_folder(folder, ("", layout.pickles), lambda path: (path / layout.pickled_test).is_file())
    if pickles is not None and (pickles / layout.pickled_names[0]).is_file():
        return _of_pickles(name, pickles, layout)
    binaries = first_folder(folder, ("", layout.binaries), lambda path: (path / layout.binary_test).is_file())
    if binaries is not None and (binaries / layout.binary_names).is_file():
        return _of_binaries(name, binaries, layout)
    for part in (folder / "test", folder):
        found = class_pictures(part, depth=2)
        if len(found) == layout.n_classes:
            kinds = sorted(found)
            return of_files(name, [as_words(kind) for kind in kinds], [(i, file) for i, kind in enumerate(kinds) for file in found[kind]])
    return None


def _of_pickles(name: DataSetName, folder: Path, layout: _Layout) -> DataSet:
    names_file, key = layout.pickled_names
    names = read_pickle(folder / names_file, name).get(key)
    rows = read_pickle(folder / layout.pickled_test, name)
    pixels, labels = rows.get("data"), rows.get(layout.labels)
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 2 or pixels.shape[1] != N_BYTES:
        raise _damaged(name)
    if not isinstance(names, list) or len(names) != layout.n_classes or not all(isinstance(one, str) for one in names):
        raise _damaged(name)
    if not isinstance(labels, list) or len(labels) != len(pixels):
        raise _damaged(name)
    if not all(isinstance(label, int) and 0 <= label < layout.n_classes for label in labels):
        raise _damaged(name)
    return of_arrays(name, [as_words(one) for one in names], labels, _upright(pixels))


def _of_binaries(name: DataSetName, folder: Path, layout: _Layout) -> DataSet:
    try:
        data = np.fromfile(folder / layout.binary_test, dtype=np.uint8)
        names = (folder / layout.binary_names).read_text("utf-8").split()
    except (OSError, UnicodeDecodeError):
        raise _damaged(name) from None
    row = layout.n_label_bytes + N_BYTES
    if len(data) == 0 or len(data) % row or len(names) != layout.n_classes:
        raise _damaged(name)
    rows = data.reshape(-1, row)
    labels = rows[:, layout.n_label_bytes - 1].tolist()
    if max(labels) >= layout.n_classes:
        raise _damaged(name)
    return of_arrays(name, [as_words(one) for one in names], labels, _upright(rows[:, layout.n_label_bytes :]))


def _upright(rows: np.ndarray) -> np.ndarray:
    """uint8 (n, 32, 32, 3) of rows (n, 3072), colour by colour."""
    return np.ascontiguousarray(rows.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1))


def _damaged(name: str) -> InputError:
    return InputError(f"A file of {name} is damaged or no file of this data set; unpack the data set again.")


class _Array:
    """An array of a pickle: its kind, and later its shape and bytes."""

    def __init__(self, kind: str = "") -> None:
        self.kind, self.pixels = kind, np.zeros(0, np.uint8)

    def __setstate__(self, state: Any) -> None:
        if len(state) == 5:  # of an array: version, shape, kind, whether columns come first, bytes
            _, shape, kind, is_by_columns, data = state
            data = data.encode("latin-1") if isinstance(data, str) else data
            if not isinstance(kind, _Array) or kind.kind not in ("u1", "uint8") or is_by_columns:
                raise pickle.UnpicklingError("an array of another kind than bytes")
            self.pixels = np.frombuffer(data, np.uint8).reshape(shape)


class _Reader(pickle.Unpickler):
    """Knows how Python pickles an array and a text of bytes, and no other class or function."""

    def find_class(self, module: str, name: str) -> Any:
        known: dict[tuple[str, str], Any] = {
            ("numpy", "ndarray"): _Array,
            ("numpy", "dtype"): lambda kind, *_: _Array(kind),
            ("_codecs", "encode"): lambda text, coding: text.encode("latin-1"),
        }
        if name == "_reconstruct" and module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            return lambda *_: _Array()
        if (module, name) not in known:
            raise pickle.UnpicklingError("a class that no such file holds")
        return known[module, name]


def read_pickle(file: Path, name: str) -> dict[str, Any]:
    """The dictionary in a pickle of CIFAR; arrays of bytes as numpy has them.

    Raises:
        InputError: damaged, or it holds anything but plain values and arrays of bytes.
    """
    try:
        content = _Reader(io.BytesIO(file.read_bytes()), encoding="latin-1").load()
    except (OSError, pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, LookupError, MemoryError, OverflowError):
        raise _damaged(name) from None
    if not isinstance(content, dict):
        raise _damaged(name)
    return {str(key): value.pixels if isinstance(value, _Array) else value for key, value in content.items()}
