"""The photos of one person: a split that never mixes, and what is left of a set that was saved."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.photo_zoo import copies_of, encoded, picture, raw, turned, write, zipped
from unlearn.errors import InputError
from unlearn.photos.crops import Fingerprint
from unlearn.photos.face_sets import n_evaluation_of, split
from unlearn.photos.faces import FaceConfig, FacePhoto, find_faces, is_face_set, load_face_set, open_faces, save_face_set

CROPS = FaceConfig("crops")


# --- the split ----------------------------------------------------------------------------------------------------


def fakes(n: int, first: int = 1) -> list[FacePhoto]:
    rng = np.random.default_rng(0)
    crops = [rng.integers(0, 256, (4, 4, 3), dtype=np.uint8) for _ in range(n)]
    return [FacePhoto(number, "usable", "", crop) for number, crop in enumerate(crops, start=first)]


@pytest.mark.parametrize(("n", "expected"), [(10, 4), (12, 5), (20, 8), (30, 12), (49, 20), (50, 20), (300, 20)])
def test_evaluation_gets_two_fifths_and_at_most_twenty(n: int, expected: int) -> None:
    assert n_evaluation_of(n) == expected


def test_impossible_numbers_of_evaluation_photos_are_refused() -> None:
    assert n_evaluation_of(12, 7) == 7
    for wanted in (8, 12, 100, 0):
        with pytest.raises(InputError, match="choose 1 to 7"):
            n_evaluation_of(12, wanted)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [10, 11, 30, 64])
def test_no_photo_is_in_both_parts_and_none_is_lost(n: int, seed: int) -> None:
    fine_tuning, evaluation = split(fakes(n), n_evaluation_of(n), seed)
    assert not set(fine_tuning) & set(evaluation)
    assert sorted((*fine_tuning, *evaluation)) == list(range(1, n + 1))
    assert split(fakes(n), n_evaluation_of(n), seed) == (fine_tuning, evaluation)


def test_split_depends_on_the_seed_and_not_on_the_order() -> None:
    photos = fakes(30)
    assert len({split(photos, 12, seed) for seed in range(5)}) == 5
    assert split(photos[::-1], 12, 0) == split(photos, 12, 0)


def test_further_photo_moves_at_most_one_other() -> None:
    before, after = (set(split(fakes(n), 12, 0)[1]) for n in (30, 31))
    assert len(before - after) <= 1


@pytest.mark.parametrize("seed", range(3))
def test_no_copy_slips_into_the_other_part(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    folder = raw(tmp_path / "raw", 14)
    for number in rng.choice(14, 8, replace=False):
        copies = list(copies_of(Image.fromarray(picture(int(number)))).values())
        write(folder, {f"q{number}.png": copies[rng.integers(len(copies))]})
    found = find_faces([folder], FaceConfig("crops", seed=seed))
    parts = [[Fingerprint(crop) for crop in found.crops(part)] for part in ("fine_tuning", "evaluation")]
    assert len(parts[0]) + len(parts[1]) == 14 and len(parts[1]) == 6
    assert not [1 for one in parts[0] for other in parts[1] if one.is_copy_of(other)]


def test_copy_across_the_named_parts_is_left_out(tmp_path: Path) -> None:
    files = {f"evaluation-{seed:02d}.png": encoded(picture(seed)) for seed in range(5)}
    files |= {f"fine-tuning-{seed:02d}.png": encoded(picture(seed)) for seed in range(4, 12)}
    found = find_faces([write(tmp_path, files)], CROPS)
    assert (len(found.fine_tuning), len(found.evaluation)) == (7, 5)
    assert [photo.number for photo in found.photos if photo.status == "duplicate"] == [6]


def test_few_photos_are_a_warning_and_no_split(tmp_path: Path) -> None:
    found = find_faces([raw(tmp_path, 9)], CROPS)
    assert not found.is_ready and found.crops("evaluation") == []
    assert found.warnings == ("Usable photos: 9; at least 10 are needed, about 30 recommended.",)
    with pytest.raises(InputError, match="9 usable photos are too few"):
        save_face_set(found, tmp_path / "set")
    ready = find_faces([raw(tmp_path, 10)], CROPS)
    assert ready.is_ready and ready.warnings == ("Usable photos: 10; about 30 are recommended.",)


# --- saving and loading -------------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    files = {f"SECRET-{seed}.jpg": turned(picture(seed), 1, quality=95) for seed in range(12)}
    write(tmp_path / "SECRET", {"SECRET.zip": zipped(files), "SECRET-text.jpg": b"SECRET"})
    save_face_set(find_faces([tmp_path / "SECRET"], CROPS), tmp_path / "set")
    return tmp_path / "set"


def test_face_set_comes_back_as_it_was(tmp_path: Path) -> None:
    raw(tmp_path / "raw", 12)
    write(tmp_path / "raw", {"z.jpg": b"text", "y.png": encoded(picture(3))})
    before = find_faces([tmp_path / "raw"], FaceConfig("crops", n_evaluation=3, seed=7))
    save_face_set(before, tmp_path / "set")
    for after in (load_face_set(tmp_path / "set"), open_faces(tmp_path / "set")):
        assert after.summary() == before.summary()
        for part in ("fine_tuning", "evaluation"):
            pairs = zip(before.crops(part), after.crops(part), strict=True)  # type: ignore[arg-type]
            assert all(np.array_equal(one, other) for one, other in pairs)
    assert len(after.evaluation) == 3 and after.photos[12].status == "duplicate"


def test_no_name_and_no_metadata_survives(saved: Path) -> None:
    files = sorted(path for path in saved.rglob("*") if path.is_file())
    assert [path.relative_to(saved).as_posix() for path in files if path.suffix != ".png"] == ["face-set.json"]
    assert len(files) == 13 and all(path.stem.isdecimal() for path in files if path.suffix == ".png")
    for path in files:
        assert b"SECRET" not in path.read_bytes()
        if path.suffix == ".png":
            with Image.open(path) as image:
                image.load()
                assert not image.info and not image.getexif()
    assert not [key for photo in json.loads((saved / "face-set.json").read_text())["photos"] for key in photo if "name" in key]


def test_saving_replaces_a_face_set_and_nothing_else(saved: Path, tmp_path: Path) -> None:
    other = find_faces([raw(tmp_path / "raw", 11, first=50)], CROPS)
    save_face_set(other, saved)
    assert len(list(saved.rglob("*.png"))) == 11 and load_face_set(saved).summary() == other.summary()
    with pytest.raises(InputError, match="holds something else"):
        save_face_set(other, tmp_path / "raw")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="cannot be written"):
        save_face_set(other, tmp_path / "file")


@pytest.mark.parametrize("damage", ["both parts", "picture gone", "picture broken", "no JSON", "odd status", "odd number", "list"])
def test_damaged_face_set_is_refused(damage: str, saved: Path) -> None:
    content = json.loads((saved / "face-set.json").read_text())
    picture_file = next((saved / "evaluation").glob("*.png"))
    if damage == "both parts":
        content["fine_tuning"].append(content["evaluation"][0])
    elif damage == "picture gone":
        picture_file.unlink()
    elif damage == "picture broken":
        picture_file.write_bytes(b"no picture")
    elif damage == "odd status":
        content["photos"][0]["status"] = "../../etc"
    elif damage == "odd number":
        content["photos"][0]["number"] = "../1"
    text = "{" if damage == "no JSON" else "[]" if damage == "list" else json.dumps(content)
    (saved / "face-set.json").write_text(text)
    with pytest.raises(InputError, match="incomplete or damaged"):
        load_face_set(saved)


def test_unfinished_face_set_is_none(saved: Path) -> None:
    assert is_face_set(saved)
    (saved / "face-set.json").unlink()
    assert not is_face_set(saved)
