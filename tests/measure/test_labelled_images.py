"""Labelled images: which folders are classes, what is read of them, what is left out and told, and that it measures."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.miniature import IMAGE_SIZE, MEMBERS
from tests.support.photo_zoo import encoded, picture
from unlearn.config import ForgetConfig, Person, Settings
from unlearn.errors import InputError
from unlearn.measure import labelled_images
from unlearn.measure.labelled_images import class_folders, measured_things, read_labelled_images
from unlearn.measure.zero_shot import utility
from unlearn.models.clip import Clip
from unlearn.models.pair import Pair
from unlearn.models.worlds import World


def write(folder: Path, label: str, n_photos: int, seed: int = 0) -> Path:
    """Photos of one class, each unlike the others."""
    (folder / label).mkdir(parents=True)
    for number in range(n_photos):
        (folder / label / f"secret-{number:02d}.png").write_bytes(encoded(picture(seed + number)))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "labelled"
    write(root, "fire_truck", 3, 10)
    write(root, "teddy-bear", 2, 20)
    return write(root, "boat", 1, 30)


def test_classes_are_visible_sub_folders_with_spaces_in_their_names(folder: Path) -> None:
    for hidden in (".git", "__MACOSX"):
        (folder / hidden).mkdir()
    (folder / "notes.txt").write_text("no class")
    assert list(class_folders(folder).items()) == [
        ("boat", folder / "boat"), ("fire truck", folder / "fire_truck"), ("teddy bear", folder / "teddy-bear"),
    ]  # fmt: skip


def test_classes_that_are_missing_single_or_twice_raise(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        class_folders(tmp_path / "missing")
    with pytest.raises(InputError, match="1 sub-folders"):
        class_folders(write(tmp_path / "one", "boat", 3))
    (folder / "Fire-Truck").mkdir()
    with pytest.raises(InputError, match="same label"):
        class_folders(folder)


def test_pictures_are_those_of_the_encoders_own_preprocessing(original: Clip, folder: Path) -> None:
    found = read_labelled_images(folder, original.image).things
    assert found.kinds == ("boat", "fire truck", "teddy bear") and found.labels == (0, 1, 1, 1, 2, 2)
    assert found.images.shape == (6, IMAGE_SIZE, IMAGE_SIZE, 3) and found.images.dtype == np.uint8
    pixels = original.image.resize(picture(30)[None])
    assert torch.equal(torch.from_numpy(found.images[0]).permute(2, 0, 1) / 255, pixels[0])
    assert {image.tobytes() for image in found.images[4:]} == {_resized(original, seed) for seed in (20, 21)}


def _resized(original: Clip, seed: int) -> bytes:
    resized = original.image.resize(picture(seed)[None])[0].mul(255).round().to(torch.uint8)
    return resized.permute(1, 2, 0).numpy().tobytes()


def test_unreadable_pictures_are_counted_and_hidden_files_are_not(original: Clip, folder: Path) -> None:
    (folder / "boat" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (folder / "boat" / "empty.png").touch()
    (folder / "boat" / ".secret.png").write_bytes(b"nothing")
    (folder / "boat" / "notes.txt").write_text("no picture")
    write(folder, "empty_class", 0)
    found = read_labelled_images(folder, original.image)
    assert len(found.things.labels) == 6 and "empty class" not in found.things.kinds
    assert len(found.warnings) == 2
    assert "2 could not be read" in found.warnings[0] and "1 of the sub-folders" in found.warnings[1]
    assert not any(word in line for line in found.warnings for word in ("broken", "secret", "empty", str(folder)))


def test_a_class_gives_at_most_so_many_and_the_same_ones_every_time(
    original: Clip, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelled_images, "MAX_PER_CLASS", 2)
    write(folder, "many", 12, 40)
    for name in ("secret-03.png", "secret-07.png"):
        (folder / "many" / name).write_bytes(b"\x89PNG nothing")
    found = read_labelled_images(folder, original.image)
    assert [found.things.labels.count(number) for number in range(4)] == [1, 2, 2, 2]  # bad ones do not take a place
    assert any("at most 2" in line for line in found.warnings)
    again = read_labelled_images(folder, original.image)
    assert np.array_equal(found.things.images, again.things.images)
    monkeypatch.setattr(labelled_images, "MAX_IMAGES", 4)  # for all four classes
    assert read_labelled_images(folder, original.image).things.labels == (0, 1, 2, 3)


def test_no_photo_of_full_size_is_held_longer_than_needed(original: Clip, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[weakref.ref[np.ndarray]] = []
    resize = labelled_images.at_encoder_size

    def watched(encoder: Any, images: list[np.ndarray]) -> Any:
        assert [one for one in seen if one() is not None] == []
        seen.append(weakref.ref(images[0]))
        return resize(encoder, images)

    monkeypatch.setattr(labelled_images, "at_encoder_size", watched)
    read_labelled_images(folder, original.image)
    assert len(seen) == 6


def test_fewer_than_two_classes_with_pictures_raise(original: Clip, tmp_path: Path) -> None:
    for number, n_photos in enumerate((0, 2)):
        root = write(tmp_path / str(number), "boat", n_photos)
        write(root, "car", 0)
        (root / "car" / "broken.png").write_bytes(b"nothing")
        with pytest.raises(InputError, match=rf"{n_photos} labelled images in {min(1, n_photos)} classes can be used \(1 cannot"):
            read_labelled_images(root, original.image)


def test_file_larger_than_the_limit_is_left_out(original: Clip, folder: Path) -> None:
    (folder / "boat" / "large.png").write_bytes(encoded(picture(1)) + b"\0" * 1_000_000)
    assert "1 could not be read" in read_labelled_images(folder, original.image, max_mb=1).warnings[0]
    assert read_labelled_images(folder, original.image, max_mb=2).warnings == ()


@pytest.mark.parametrize(("names", "is_told"), [(("0", "17"), True), (("n01440764", "n01443537"), True), (("747", "boat"), False)])
def test_classes_named_by_numbers_are_warned_about(original: Clip, tmp_path: Path, names: tuple[str, str], is_told: bool) -> None:
    for name in names:
        write(tmp_path / "labelled", name, 1)
    found = read_labelled_images(tmp_path / "labelled", original.image)
    assert any("named by numbers" in line for line in found.warnings) == is_told


def test_labelled_images_take_the_place_of_the_worlds_things(
    original: Clip, folder: Path, miniature: Path, settings: Settings
) -> None:
    world, config = World(miniature), ForgetConfig((Person(MEMBERS[0]),), str(miniature))
    assert measured_things(config, original.image, world, settings) == (world.things, ())
    assert measured_things(config, original.image, None, settings) == (None, ())
    given = ForgetConfig(config.persons, config.model_set, labelled_images=str(folder))
    things, warnings = measured_things(given, original.image, world, settings)
    assert things is not None and things.kinds == ("boat", "fire truck", "teddy bear") and warnings == ()
    found = utility(Pair(original, original), things)
    assert found["top1_original"] == found["top1_defended"] is not None
    assert found["top5_original"] is None is found["top5_defended"]  # of three classes five guesses are always right


def test_right_and_wrong_labels_give_different_accuracies(original: Clip, folder: Path) -> None:
    """A picture counts as right only under the label that the encoders find nearest."""
    things = read_labelled_images(folder, original.image).things
    shares = []
    for label in range(3):
        moved = labelled_images.Things(things.images, (label,) * 6, things.kinds)
        shares.append(utility(Pair(original, original), moved)["top1_original"])
    assert sum(share or 0 for share in shares) == pytest.approx(1.0)
