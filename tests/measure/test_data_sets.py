"""Published data sets: which layouts are recognised, what their classes are called, what is refused, and that accuracy is measured."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

from tests.support import published_sets as published
from tests.support.photo_zoo import picture
from unlearn.config.zero_shot import DATA_SETS, DataSetName, ZeroShotSource
from unlearn.errors import InputError
from unlearn.measure.data_sets import data_set as data_sets
from unlearn.measure.data_sets.accuracy import class_directions, measured_accuracy
from unlearn.measure.data_sets.cifar import read_pickle
from unlearn.measure.data_sets.class_names import flower_classes, imagenet_classes, person_name, templates_of
from unlearn.measure.data_sets.data_set import DataSet
from unlearn.measure.data_sets.layouts import people_folders
from unlearn.measure.data_sets.opening import open_data_set
from unlearn.models.clip import Clip
from unlearn.models.pair import Pair

WRITERS: dict[str, tuple[DataSetName, Callable[[Path], Path], int, int]] = {  # data set, folder, pictures, classes
    "imagenet-v2": ("imagenet-v2", published.imagenet_v2, 12, 1000),
    "cifar10 pickles": ("cifar10", lambda root: published.cifar_pickles(root, "cifar10"), 20, 10),
    "cifar10 binaries": ("cifar10", lambda root: published.cifar_binaries(root, "cifar10"), 20, 10),
    "cifar10 pictures": ("cifar10", lambda root: published.cifar_pictures(root, "cifar10"), 10, 10),
    "cifar100 pickles": ("cifar100", lambda root: published.cifar_pickles(root, "cifar100"), 100, 100),
    "cifar100 binaries": ("cifar100", lambda root: published.cifar_binaries(root, "cifar100"), 100, 100),
    "cifar100 pictures": ("cifar100", lambda root: published.cifar_pictures(root, "cifar100"), 100, 100),
    "flowers-102": ("flowers-102", published.flowers, 8, 102),
    "flowers-102 without parts": ("flowers-102", lambda root: published.flowers(root, is_parted=False), 12, 102),
    "sun397": ("sun397", published.sun397, 8, 5),
    "sun397 without list": ("sun397", lambda root: published.sun397(root, is_listed=False), 8, 4),
    "facescrub": ("facescrub", published.facescrub, 6, 3),
}


def opened(name: DataSetName, folder: Path) -> DataSet:
    return open_data_set(ZeroShotSource(name, str(folder)))


@pytest.mark.parametrize("case", WRITERS)
def test_layout_is_recognised_with_its_classes_and_all_pictures(tmp_path: Path, case: str) -> None:
    name, write, n_pictures, n_classes = WRITERS[case]
    found = opened(name, write(tmp_path))
    pictures = list(found.pictures(20))
    assert (found.name, found.n_images, len(pictures), len(found.kinds)) == (name, n_pictures, n_pictures, n_classes)
    assert all(pixels is not None and pixels.dtype == np.uint8 and pixels.shape[2] == 3 for _, pixels in pictures)
    assert all(0 <= label < n_classes for label, _ in pictures) and found.warnings == ()
    assert not any("_" in kind for kind in found.kinds)


@pytest.mark.parametrize("name", DATA_SETS)
def test_folder_of_another_layout_is_refused_with_what_it_should_hold(tmp_path: Path, name: DataSetName) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "readme.txt").write_text("nothing")
    with pytest.raises(InputError, match=f"given for {name} does not have its layout; it should hold ") as raised:
        opened(name, tmp_path)
    assert "secret" not in str(raised.value) and str(tmp_path) not in str(raised.value)
    with pytest.raises(InputError, match=f"given for {name} does not exist"):
        opened(name, tmp_path / "missing")


def test_classes_are_those_of_the_numbers_in_the_files(tmp_path: Path) -> None:
    found = opened("imagenet-v2", published.imagenet_v2(tmp_path / "imagenet"))
    assert [found.kinds[label] for label, _ in found.pictures(20)][::2] == [imagenet_classes()[n] for n in (0, 1, 7, 207, 990, 999)]
    assert found.kinds[0] == "tench"
    (tmp_path / "imagenet" / "imagenetv2-matched-frequency-format-val" / "1000").mkdir()
    with pytest.raises(InputError, match="folders 0 to 999"):
        opened("imagenet-v2", tmp_path / "imagenet")
    found = opened("flowers-102", published.flowers(tmp_path / "flowers"))
    assert [label for label, _ in found.pictures(20)] == [number % 6 for number in range(4, 12)]  # labels are written from 1
    assert found.kinds[0] == "pink primrose" and {"globe flower", "pink and yellow dahlia", "air plant"} <= set(flower_classes())
    found = opened("sun397", published.sun397(tmp_path / "sun"))
    assert found.kinds == ("abbey", "bazaar indoor", "bazaar outdoor", "sky", "yard")
    found = opened("facescrub", published.facescrub(tmp_path / "facescrub"))
    assert found.kinds == ("Ben Carver", "Robert De Niro", "Ada Brook") and person_name("Tatyana_M._Ali") == "Tatyana Ali"


def test_pictures_of_cifar_are_equal_in_all_its_versions(tmp_path: Path) -> None:
    rows, labels = published.cifar_rows(20, 10)
    for number, write in enumerate((published.cifar_pickles, published.cifar_binaries)):
        pictures = list(opened("cifar10", write(tmp_path / str(number), "cifar10")).pictures(20))
        assert [label for label, _ in pictures] == labels
        expected = rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        assert all(np.array_equal(pixels, picture) for (_, pixels), picture in zip(pictures, expected, strict=True))


class _Program:
    """Pickled, it is a call of a function."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("touched"),))


@pytest.mark.parametrize("content", [{"data": _Program()}, {"label_names": [np.float64(1)]}, {"data": np.ones(3)}, [1], {"data": {1, 2}}])
def test_pickle_with_anything_but_plain_values_and_bytes_is_refused_and_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    published.cifar_pickles(tmp_path, "cifar10")
    file = tmp_path / "cifar-10-batches-py" / "test_batch"
    file.write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match="A file of cifar10 is damaged"):
        opened("cifar10", tmp_path)
    assert not (tmp_path / "touched").exists()


def test_pickle_written_by_the_second_python_is_read(tmp_path: Path) -> None:
    """As cPickle 2 wrote it: texts are bytes, the array's bytes too."""
    data = bytes(range(12))
    written = (
        b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85U\x01b\x87Rq\x05(K\x01"
        b"K\x03K\x04\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        b"U\x0c" + data + b"tbU\x06labelsq\x08]q\x09(K\x01K\x02eu."
    )
    (tmp_path / "batch").write_bytes(written)
    content = read_pickle(tmp_path / "batch", "cifar10")
    assert content["labels"] == [1, 2] and np.array_equal(content["data"], np.frombuffer(data, np.uint8).reshape(3, 4))


@pytest.mark.parametrize(("file", "written"), [("imagelabels.mat", b"nothing"), ("setid.mat", b"MATLAB 5.0" + b"\0" * 200)])
def test_damaged_lists_of_flowers_are_told(tmp_path: Path, file: str, written: bytes) -> None:
    root = published.flowers(tmp_path)
    (root / "flowers-102" / file).write_bytes(written)
    with pytest.raises(InputError, match=rf"{file} of flowers-102 cannot be read"):
        opened("flowers-102", root)


def test_large_data_sets_give_equal_numbers_of_a_class_the_same_every_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_sets, "MAX_IMAGES", 4)
    found, again = (opened("sun397", path) for path in [published.sun397(tmp_path)] * 2)
    assert [label for label, _ in found.pictures(20)] == [0, 1, 2, 3]
    assert all(np.array_equal(one, other) for (_, one), (_, other) in zip(found.pictures(20), again.pictures(20), strict=True))
    assert found.warnings == ("sun397: 4 of its 8 pictures were used, the same ones in every run.",)


def test_templates_are_those_of_the_paper() -> None:
    counts = {name: len(templates_of(name)) for name in DATA_SETS}
    assert counts == {"imagenet-v2": 80, "cifar10": 18, "cifar100": 18, "flowers-102": 1, "sun397": 2, "facescrub": 21}
    assert all(template.count("{0}") == 1 for name in DATA_SETS for template in templates_of(name))
    assert {"a blurry photo of the {0}.", "a photo of a big {0}."} <= set(templates_of("cifar10"))


@pytest.fixture(scope="module")
def defended(original: Clip) -> Clip:
    student = copy.deepcopy(original.text)
    with torch.no_grad():
        for parameter in student.blocks.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    return original.with_text(student)


def test_accuracy_is_that_of_the_nearest_class_and_unreadable_pictures_are_told(original: Clip, defended: Clip, tmp_path: Path) -> None:
    root = published.sun397(tmp_path)
    (root / "SUN397" / "a" / "abbey" / "sun_broken.jpg").write_bytes(b"\xff\xd8\xff")
    found = opened("sun397", root)
    templates = templates_of("sun397")
    measured = measured_accuracy(Pair(original, defended), found, templates, 20)
    accuracy = measured.accuracy
    assert (accuracy.n_images, accuracy.n_classes, accuracy.title) == (8, 5, "SUN397")
    assert measured.warnings == ("sun397: 1 pictures could not be read and were left out.",)
    pictures = [(label, pixels) for label, pixels in found.pictures(20) if pixels is not None]
    for side, clip in (("original", original), ("defended", defended)):
        classes = class_directions(clip.text, found.kinds, templates)
        nearest = [
            int((clip.image.embed_images(clip.image.resize(pixels[None])).cpu() @ classes.T).argmax()) for _, pixels in pictures
        ]
        expected = np.mean([guess == label for guess, (label, _) in zip(nearest, pictures, strict=True)])
        assert getattr(accuracy, f"top1_{side}") == pytest.approx(expected)
        assert getattr(accuracy, f"top5_{side}") == 1.0  # of five classes


def test_data_set_without_a_readable_picture_raises(original: Clip, tmp_path: Path) -> None:
    for kind in ("0", "1"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "a.jpg").write_bytes(b"nothing")
    with pytest.raises(InputError, match="None of the 2 pictures of imagenet-v2 can be read"):
        measured_accuracy(Pair(original, original), opened("imagenet-v2", tmp_path), ("{0}",), 20)


def _hub(monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]], names: list[str] | None, part: str = "test") -> None:
    class Rows(list[dict[str, Any]]):
        features: ClassVar = {"img": object(), "label": SimpleNamespace(names=names)}

    parts = {"train": Rows(rows[:1]), part: Rows(rows)}
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=lambda name, **options: parts))


def _hub_rows(n_rows: int) -> list[dict[str, Any]]:
    return [{"img": Image.fromarray(picture(number, 32, 32)), "label": number % 2} for number in range(n_rows)]


def test_columns_of_the_hub_are_a_data_set_with_the_names_of_its_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    _hub(monkeypatch, _hub_rows(6), ["lawn_mower", "Ada_Brook"])
    found = open_data_set(ZeroShotSource("cifar100", "hub:owner/set:img:label"))
    assert found.kinds == ("lawn mower", "Ada Brook") and found.n_images is None
    assert [label for label, _ in found.pictures(20)] == [0, 1, 0, 1, 0, 1]
    assert len(open_data_set(ZeroShotSource("imagenet-v2", "hub:owner/set:img:label")).kinds) == 1000


@pytest.mark.parametrize(
    ("rows", "names", "words"),
    [
        ([], ["a", "b"], "has no rows"),
        ([{"img": "text", "label": 0}], ["a", "b"], "has no pictures in this column"),
        ([{"img": Image.new("RGB", (8, 8)), "label": 0}], None, "does not tell the names of its labels"),
        ([{"img": Image.new("RGB", (8, 8))}], ["a", "b"], "cannot be read: 'label'"),
    ],
)
def test_columns_of_the_hub_that_cannot_be_used_are_told(
    monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]], names: list[str] | None, words: str
) -> None:
    _hub(monkeypatch, rows, names)
    with pytest.raises(InputError, match=words):
        open_data_set(ZeroShotSource("cifar10", "hub:owner/set:img:label"))
    with pytest.raises(InputError, match="does not name 2 columns"):
        open_data_set(ZeroShotSource("cifar10", "hub:owner/set:img"))


def test_folders_of_people_are_found_by_name(tmp_path: Path) -> None:
    people = people_folders(published.facescrub(tmp_path))
    assert people["Ada Brook"] == tmp_path / "actresses" / "images" / "Ada_Brook"
    assert people_folders(tmp_path / "actors" / "faces").keys() == {"Ben Carver", "Robert De Niro"}
