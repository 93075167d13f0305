"""From uploads to face sets: what is found, what is left out and why, and a split that never mixes."""

import inspect
import io
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from tests.photo_zoo import INSIGHTFACE_IMAGES, bad_files, encoded, picture, turned, zipped
from tests.tiny_pack import write_pack
from unlearn import face_finders, faces
from unlearn.config import Progress, Settings
from unlearn.errors import ConfigError, InputError, ModelLoadError
from unlearn.face_crops import FACE, MAX_CROP_PX, Fingerprint, FoundFace, crop_face
from unlearn.face_sets import n_evaluation_of, split
from unlearn.faces import FaceConfig, FacePhoto, FaceSet, find_faces, is_face_set, load_face_set, open_faces, save_face_set

EXAMPLES = Path(__file__).resolve().parent.parent / "assets" / "embedded" / "examples"
CROPS = FaceConfig("crops")
CASCADE = FaceConfig("cascade")
SIX, ONE = INSIGHTFACE_IMAGES / "t1.jpg", INSIGHTFACE_IMAGES / "Tom_Hanks_54745.png"


def write(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def raw(folder: Path, n: int, first: int = 0) -> Path:
    """n photos of a kind that needs no detector, none like another."""
    return write(folder, {f"p{seed:03d}.png": encoded(picture(seed)) for seed in range(first, first + n)})


def statuses(face_set: FaceSet) -> list[str]:
    return [photo.status for photo in face_set.photos]


# --- the cascade on real photos ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real() -> FaceSet:
    """The pictures that InsightFace ships: masks without faces, a portrait, six people at a table."""
    paths = [ONE, SIX, *sorted(INSIGHTFACE_IMAGES.glob("mask_*.jpg"))]
    return find_faces(paths, CASCADE, Settings(device="cpu"))


def test_cascade_finds_the_one_face_and_several_at_the_table(real: FaceSet) -> None:
    assert statuses(real) == ["usable", "several faces", "no face", "no face", "no face", "no face"]
    assert real.finder == "LBP cascade of scikit-image"
    assert real.photos[0].crop is not None and real.photos[0].crop.shape == (112, 112, 3)
    assert len(real.photos[1].candidates) == 4  # of six: two look sideways; InsightFace sees all
    assert real.photos[1].crop is None and "4 faces; pick" in real.photos[1].message
    assert not real.is_ready and any("at least 10" in warning for warning in real.warnings)


def test_candidates_lie_on_the_faces_from_left_to_right(real: FaceSet) -> None:
    centres = ((58, 165), (255, 172), (396, 208), (587, 168))  # seen by eye, in a picture 640 px wide
    table = np.asarray(Image.open(SIX).resize((640, 443)))
    for crop, (x, y) in zip(real.photos[1].candidates, centres, strict=True):
        assert crop.shape[0] == crop.shape[1] >= 190
        around = crop_face(table, FoundFace(x, y, crop.shape[0] / 2 / 1.4))
        small = [np.asarray(Image.fromarray(one).resize((16, 16)), float).ravel() for one in (crop, around)]
        assert np.corrcoef(small)[0, 1] > 0.8


def test_picked_face_is_used(real: FaceSet) -> None:
    picked = find_faces([ONE, SIX], CASCADE, picks={2: 3})
    assert statuses(picked) == ["usable", "usable"]
    assert np.array_equal(picked.photos[1].crop, real.photos[1].candidates[2])  # type: ignore[arg-type]
    assert "Face 3 of 4" in picked.photos[1].message
    for picks in ({2: 5}, {2: 0}, {3: 1}):
        with pytest.raises(InputError, match="picked in"):
            find_faces([ONE, SIX], CASCADE, picks=picks)


def test_turned_camera_and_twelve_megapixels_make_no_difference(tmp_path: Path) -> None:
    portrait = np.asarray(Image.open(ONE).convert("RGB").resize((448, 448), Image.Resampling.BICUBIC))
    photo = np.pad(portrait, ((1200, 1352), (2000, 1552), (0, 0)), mode="edge")
    lying = np.ascontiguousarray(photo.swapaxes(0, 1)[::-1])
    write(tmp_path, {"a.jpg": turned(lying, 6, quality=92)})
    (tmp_path / "upright").mkdir()
    write(tmp_path / "upright", {"a.jpg": encoded(photo, "JPEG", quality=92)})
    ((one,), (other,)) = (find_faces([folder], CASCADE).photos for folder in (tmp_path, tmp_path / "upright"))
    assert one.crop is not None and other.crop is not None and photo.shape == (3000, 4000, 3)
    assert one.crop.shape == other.crop.shape and 380 <= one.crop.shape[0] <= MAX_CROP_PX
    assert Fingerprint(one.crop).likeness(Fingerprint(other.crop)) > 0.97


def test_face_too_small_is_told_with_its_size() -> None:
    (found,) = find_faces([ONE], FaceConfig("cascade", min_face_px=200)).photos
    assert found.status == "too small" and "200 px" in found.message


@pytest.mark.parametrize("seed", range(3))
def test_noise_and_stripes_hold_no_face(seed: int, tmp_path: Path) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    stripes = np.repeat((np.arange(400) // (7 + seed) % 2 * 255).astype(np.uint8)[None, :, None], 3, axis=2).repeat(300, axis=0)
    write(tmp_path, {"a.png": encoded(noise), "b.png": encoded(stripes), "c.png": encoded(picture(seed, 300, 400))})
    assert statuses(find_faces([tmp_path], CASCADE)) == ["no face"] * 3


# --- bad files and copies ---------------------------------------------------------------------------------------


def test_bad_files_are_photos_with_a_reason_and_the_rest_is_used(tmp_path: Path) -> None:
    raw(tmp_path, 12)
    cases = bad_files()
    write(tmp_path, {f"z{number}.jpg": data for number, (data, _) in enumerate(cases.values())})
    found = find_faces([tmp_path], CROPS, Settings(max_upload_mb=2))
    assert len(found.usable) == 12 and found.is_ready
    rest = sorted(found.photos[12:], key=lambda photo: photo.number)
    assert {photo.status for photo in rest} == {"unreadable"} and len(rest) == len(cases)
    wanted = [sentence for _, sentence in dict(sorted(zip(map("z{}.jpg".format, range(99)), cases.values(), strict=False))).values()]
    assert all(sentence in photo.message for sentence, photo in zip(wanted, rest, strict=True))


def test_nothing_but_junk_is_an_error_that_says_what_was_left_out(tmp_path: Path) -> None:
    write(tmp_path / "a", {"notes.txt": b"x", ".DS_Store": b"x"})
    with pytest.raises(InputError, match="no photo in what was given. Left out: 1 file"):
        find_faces([tmp_path / "a"], CROPS)


def _copies(original: Image.Image) -> dict[str, bytes]:
    width, height = original.size
    return {
        "exact": encoded(original),
        "recompressed": encoded(original, "JPEG", quality=40),
        "another format": encoded(original, "WEBP", quality=60),
        "half as large": encoded(original.resize((width // 2, height // 2))),
        "brighter": encoded(ImageEnhance.Brightness(original).enhance(1.15)),
        "less contrast": encoded(ImageEnhance.Contrast(original).enhance(0.7)),
        "grey": encoded(original.convert("L")),
        "mirrored": encoded(original.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
        "cropped": encoded(original.crop((width // 25, height // 25, width - width // 25, height - height // 25))),
        "turned by EXIF": turned(np.ascontiguousarray(np.asarray(original).swapaxes(0, 1)[::-1]), 6, "PNG"),
    }


@pytest.mark.parametrize("what", _copies(Image.fromarray(picture(0))))
def test_copy_is_left_out(what: str, tmp_path: Path) -> None:
    photo = Image.open(ONE).convert("RGB").resize((336, 336), Image.Resampling.BICUBIC)
    write(tmp_path, {"a.png": encoded(picture(1)), "b.png": encoded(photo), "c.jpg": _copies(photo)[what]})
    found = find_faces([tmp_path], CROPS)
    assert statuses(found) == ["usable", "usable", "duplicate"]
    assert "photo 2" in found.photos[2].message


def test_strongly_cropped_copy_is_seen_by_its_face(tmp_path: Path) -> None:
    portrait = np.asarray(Image.open(ONE).convert("RGB").resize((400, 400), Image.Resampling.BICUBIC))
    wide = np.pad(portrait, ((100, 300), (500, 200), (0, 0)), mode="edge")
    write(tmp_path, {"a.png": encoded(wide), "b.jpg": encoded(wide[60:640, 380:1000], "JPEG", quality=80)})
    assert statuses(find_faces([tmp_path], CASCADE)) == ["usable", "duplicate"]


def test_faces_of_different_people_are_no_copies(real: FaceSet) -> None:
    prints = [Fingerprint(crop, FACE) for crop in real.photos[1].candidates]
    assert max(one.likeness(other) for one in prints for other in prints if one is not other) < 0.6
    assert prints[0].likeness(prints[0]) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("person", ["marcus-bellwyn", "olivia-ellismoor"])
def test_shipped_examples_hold_no_copies_and_keep_their_split(person: str) -> None:
    found = find_faces([EXAMPLES / person], CROPS)
    assert set(statuses(found)) == {"usable"} and len(found.photos) == 50
    assert found.evaluation == tuple(range(1, 21)) and found.fine_tuning == tuple(range(21, 51))  # in order of the names
    assert "names" in found.split_note and found.finder == "already face crops"
    assert not [warning for warning in found.warnings if "recommended" in warning]


def test_drawn_faces_through_a_detector_are_told_what_to_do(tmp_path: Path) -> None:
    files = sorted((EXAMPLES / "marcus-bellwyn").iterdir())[:3]
    found = find_faces(files, CASCADE)
    assert statuses(found) == ["no face"] * 3 and any("detector crops" in warning for warning in found.warnings)


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
        copies = list(_copies(Image.fromarray(picture(int(number)))).values())
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


# --- InsightFace ----------------------------------------------------------------------------------------------------


class FakeAnalysis:
    """Has `get(bgr)` of insightface.app.FaceAnalysis; a photo's width says who is on it."""

    def __init__(self, people: dict[int, list[dict[str, Any]]]) -> None:
        self.people = people

    def get(self, img: np.ndarray) -> list[Any]:
        from insightface.app.common import Face

        assert img.dtype == np.uint8 and img.flags["C_CONTIGUOUS"]
        assert img[0, 0, 0] == 10 and img[0, 0, 2] == 200  # blue first
        return [Face(det_score=0.9, **face) for face in self.people[img.shape[1]]]


def face(x: float, who: int | None = 0, side: float = 100, tilt: float = 0.0) -> dict[str, Any]:
    """A face around (x, 150) with embeddings that are alike (cosine about 0.7) for the same person."""
    eyes = np.array([[-20, -15], [20, -15]]) @ np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    landmarks = np.array([*eyes, *np.zeros((3, 2))]) + np.array([x, 150])
    box = np.array([x - side / 2, 150 - side / 2, x + side / 2, 150 + side / 2], np.float32)
    found: dict[str, Any] = {"bbox": box, "kps": landmarks.astype(np.float32)}
    if who is not None:
        person, photo = np.random.default_rng(who), np.random.default_rng(int(1000 * x + who))
        found["embedding"] = (20 * (person.normal(size=512) + 0.6 * photo.normal(size=512))).astype(np.float32)
    return found


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[list[list[dict[str, Any]]]], FaceSet]:
    """Photos that show these faces, through the branch of InsightFace."""

    def run(people: list[list[dict[str, Any]]], **options: Any) -> FaceSet:
        files = {}
        for number, _ in enumerate(people):
            photo = picture(number, 300, 400 + number).copy()
            photo[0, 0] = (200, 0, 10)
            files[f"{number:03d}.png"] = encoded(photo)
        analysis = FakeAnalysis({400 + number: found for number, found in enumerate(people)})
        finder = face_finders.InsightFinder(analysis, "insightface buffalo_l")
        monkeypatch.setattr(faces, "choose_finder", lambda *arguments: finder)
        return find_faces([write(tmp_path / "photos", files)], FaceConfig("insightface"), **options)

    return run


def test_insightface_gives_crops_embeddings_and_its_licence(fake: Any) -> None:
    found = fake([[face(150 + 5 * n)] for n in range(12)])
    assert found.finder == "insightface buffalo_l" and any("non-commercial" in warning for warning in found.warnings)
    assert len(found.usable) == 12 and (len(found.fine_tuning), len(found.evaluation)) == (7, 5)
    assert all(photo.crop.shape == (140, 140, 3) for photo in found.photos)
    assert all(np.linalg.norm(photo.embedding) == pytest.approx(1, abs=1e-5) for photo in found.photos)
    assert not any(photo.looks_different for photo in found.photos)


def test_another_person_among_the_photos_is_flagged_but_usable(fake: Any) -> None:
    found = fake([[face(150 + 5 * n, who=1 if n in (3, 8) else 0)] for n in range(12)])
    assert [photo.number for photo in found.photos if photo.looks_different] == [4, 9]
    assert any("photo 4, 9" in warning for warning in found.warnings)
    assert found.photos[3].status == "usable" and "another person" in found.photos[3].message


def test_the_larger_of_two_groups_is_taken_for_the_person(fake: Any) -> None:
    found = fake([[face(150 + 5 * n, who=int(n >= 7))] for n in range(12)])
    assert [photo.looks_different for photo in found.photos] == [False] * 7 + [True] * 5


def test_without_recognition_nobody_is_flagged(fake: Any) -> None:
    found = fake([[face(150 + 5 * n, who=None)] for n in range(10)])
    assert not any(photo.looks_different or photo.embedding is not None for photo in found.photos)


def test_several_faces_wait_for_a_pick_and_passers_by_do_not_count(fake: Any) -> None:
    people = [[face(300, 1), face(100, 0)], [face(200), face(50, 2, side=30)], [face(150, 0, side=30)], []]
    found = fake(people)
    assert statuses(found) == ["several faces", "usable", "too small", "no face"]
    assert "1 much smaller" in found.photos[1].message and "30 px" in found.photos[2].message
    picked = fake(people, picks={1: 1})
    assert statuses(picked)[0] == "usable"
    assert np.array_equal(picked.photos[0].crop, found.photos[0].candidates[0])
    left, right = (face(100, 0)["embedding"], face(300, 1)["embedding"])
    assert picked.photos[0].embedding @ left > picked.photos[0].embedding @ right  # faces are counted from the left


def test_copies_do_not_reach_the_recognition(fake: Any, tmp_path: Path) -> None:
    fake([[face(150)]])
    photo = (tmp_path / "photos" / "000.png").read_bytes()
    write(tmp_path / "photos", {"001.png": photo})
    assert statuses(find_faces([tmp_path / "photos"], FaceConfig("insightface"))) == ["usable", "duplicate"]


@pytest.mark.parametrize("degrees", [-40, -10, 20, 75])
def test_tilted_face_is_cropped_upright(degrees: float) -> None:
    upright = np.zeros((400, 400, 3), np.uint8)
    upright[190:200, 150:250] = 255  # a bar for the eyes
    tilted = np.asarray(Image.fromarray(upright).rotate(-degrees, Image.Resampling.BICUBIC))
    landmark_finder = face_finders.InsightFinder(None, "")
    bar = np.argwhere(tilted[..., 0] > 128)[:, ::-1]
    ends = bar[[bar[:, 0].argmin(), bar[:, 0].argmax()]]

    class One:
        def get(self, img: np.ndarray) -> list[Any]:
            from insightface.app.common import Face

            return [Face(bbox=np.array([130.0, 130, 270, 270]), kps=np.concatenate([ends, ends, ends[:1]]), det_score=1.0)]

    (found,) = face_finders.InsightFinder(One(), "").find(tilted)
    crop = crop_face(tilted, found)
    rows = np.argwhere(crop[..., 0] > 128)[:, 0]
    assert landmark_finder.warnings and abs(found.roll - degrees) < 6
    assert np.ptp(rows) < 25  # the bar lies flat again


@pytest.mark.parametrize(("x", "y", "side"), [(0, 0, 50), (399, 299, 80), (200, 150, 1000), (200, 10, 100)])
@pytest.mark.parametrize("roll", [0.0, 30.0])
def test_crop_is_a_square_inside_the_photo(x: float, y: float, side: float, roll: float) -> None:
    crop = crop_face(picture(0, 300, 400), FoundFace(x, y, side, roll))
    assert crop.shape[0] == crop.shape[1] == min(round(1.4 * side), 300)


def test_large_crops_are_scaled_down() -> None:
    assert crop_face(picture(0, 2000, 2000), FoundFace(1000, 1000, 900)).shape == (MAX_CROP_PX, MAX_CROP_PX, 3)


# --- which finder -------------------------------------------------------------------------------------------------


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_missing_pack_never_reaches_insightface(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_network: None) -> None:
    import insightface.app

    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("constructed")

    monkeypatch.setattr(insightface.app, "FaceAnalysis", refuse)
    (tmp_path / "models" / "buffalo_l").mkdir(parents=True)  # empty: a download that was broken off
    with pytest.raises(ModelLoadError, match=r"buffalo_l is not on this machine.*insightface-cli.*non-commercial research"):
        find_faces([ONE], FaceConfig("insightface", root=tmp_path))
    found = find_faces([ONE], FaceConfig("auto", root=tmp_path))
    assert found.finder == "LBP cascade of scikit-image" and found.photos[0].status == "usable"
    assert any("buffalo_l" in warning and "non-commercial" in warning for warning in found.warnings)
    assert not list((tmp_path / "models" / "buffalo_l").iterdir())


def test_damaged_pack_is_an_error_not_a_download(tmp_path: Path, no_network: None) -> None:
    write(tmp_path / "models" / "mine", {"det.onnx": b"nonsense"})
    for detector in ("auto", "insightface"):
        with pytest.raises(ModelLoadError, match="mine is damaged or incomplete"):
            find_faces([ONE], FaceConfig(detector, "mine", tmp_path))  # type: ignore[arg-type]


def test_pack_at_hand_is_loaded_from_its_folder_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import insightface.app

    real_class, made = insightface.app.FaceAnalysis, {}

    class Recorder:
        def __init__(self, *arguments: Any, **options: Any) -> None:
            bound = inspect.signature(real_class.__init__).bind(self, *arguments, **options)
            made.update(bound.arguments)

        def prepare(self, *arguments: Any, **options: Any) -> None:
            made.update(inspect.signature(real_class.prepare).bind(self, *arguments, **options).arguments)

    monkeypatch.setattr(insightface.app, "FaceAnalysis", Recorder)
    write(tmp_path / "models" / "antelopev2" / "antelopev2", {"det.onnx": b"x"})  # as that pack unpacks
    finder = face_finders.choose_finder("auto", "antelopev2", tmp_path, Settings(device="cpu", n_threads=1))
    assert made["name"] == str((tmp_path / "models" / "antelopev2" / "antelopev2").resolve()) and Path(made["name"]).is_dir()
    assert made["ctx_id"] == -1 and made["kwargs"]["providers"] == ["CPUExecutionProvider"]
    assert finder.name == "insightface antelopev2" and finder.warnings == (face_finders.LICENCE_NOTE,)


def test_real_insightface_runs_on_a_tiny_pack(tmp_path: Path, no_network: None) -> None:
    write_pack(tmp_path / "root" / "models" / "tiny")
    photos = {}
    for number, places in enumerate([[(300, 200)], [(100, 100), (480, 320)], []]):
        photo = np.full((480, 640, 3), 90, np.uint8)
        photo += picture(number, 480, 640) // 16
        for x, y in places:
            photo[y : y + 64, x : x + 64] = (255, 0, 0)
        photos[f"{number}.png"] = encoded(photo)
    config = FaceConfig("auto", "tiny", tmp_path / "root", min_face_px=30)
    found = find_faces([write(tmp_path / "photos", photos)], config, Settings(device="cpu", n_threads=1))
    assert found.finder == "insightface tiny" and face_finders.LICENCE_NOTE in found.warnings
    assert statuses(found) == ["usable", "several faces", "no face"]
    crop, embedding = found.photos[0].crop, found.photos[0].embedding
    assert crop is not None and embedding is not None and embedding.shape == (512,)
    assert ((crop[..., 0] > 200) & (crop[..., 2] < 50)).sum() > 0.9 * 64 * 64  # the whole square, and not its colours swapped
    assert len(found.photos[1].candidates) == 2


def test_device_follows_the_settings_and_never_falls_back_in_silence() -> None:
    both, cpu = ["CUDAExecutionProvider", "CPUExecutionProvider"], ["CPUExecutionProvider"]
    pick = face_finders._onnx_device
    assert [pick(device, both)[0] for device in ("auto", "cpu", "cuda", "cuda:2")] == [0, -1, 0, 2]
    assert pick("auto", cpu) == (-1, ()) and pick("cpu", cpu) == (-1, ())
    assert pick("cuda:1", cpu)[0] == -1 and "onnxruntime-gpu" in pick("cuda:1", cpu)[1][0]


def test_bad_settings_are_refused() -> None:
    for options in ({"detector": "haar"}, {"pack": "../x"}, {"pack": ""}, {"min_face_px": 3}, {"n_evaluation": 0}):
        with pytest.raises(ConfigError):
            FaceConfig(**options)  # type: ignore[arg-type]


def test_progress_is_told_photo_by_photo_and_can_stop(tmp_path: Path) -> None:
    told: list[Progress] = []
    find_faces([raw(tmp_path, 3)], CROPS, report=told.append)
    assert [(one.step, one.total) for one in told] == [(1, 3), (2, 3), (3, 3)]


def test_fingerprint_of_a_plain_picture_is_like_nothing() -> None:
    plain = Fingerprint(np.full((50, 50, 3), 100, np.uint8))
    assert plain.likeness(Fingerprint(picture(0))) == 0 and not plain.is_copy_of(plain)


def test_command_reports_and_saves(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from unlearn import __main__ as command_line

    raw(tmp_path / "raw", 11)
    asked = ["unlearn", "faces", str(tmp_path / "raw"), "--detector", "crops"]
    monkeypatch.setattr("sys.argv", [*asked, "--json", "--out", str(tmp_path / "set")])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    shown = json.load(io.StringIO(capsys.readouterr().out))
    assert not ended.value.code and shown["n_usable"] == 11 and shown == load_face_set(tmp_path / "set").summary()
    monkeypatch.setattr("sys.argv", asked)
    with pytest.raises(SystemExit):
        command_line.main()
    shown_text = capsys.readouterr().out
    assert "Usable: 11 of 11 photos, 7 for fine-tuning, 4 for evaluation" in shown_text and "p000" not in shown_text
