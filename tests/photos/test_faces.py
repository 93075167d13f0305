"""From uploads to faces: what the cascade finds in real photos, what is left out, and why."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.photo_zoo import (
    INSIGHTFACE_IMAGES,
    ONE_FACE,
    SITE,
    SIX_FACES,
    bad_files,
    copies_of,
    encoded,
    picture,
    raw,
    turned,
    write,
)
from unlearn.config import Settings
from unlearn.errors import ConfigError, InputError
from unlearn.photos.crops import FACE, MAX_CROP_PX, Fingerprint, FoundFace, crop_face
from unlearn.photos.faces import FaceConfig, FaceSet, find_faces, load_face_set, save_face_set
from unlearn.progress import Progress

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "assets" / "embedded" / "examples"
SKIMAGE = SITE / "skimage" / "data"
CROPS = FaceConfig("crops")
CASCADE = FaceConfig("cascade")


def statuses(face_set: FaceSet) -> list[str]:
    return [photo.status for photo in face_set.photos]


# --- the cascade on real photos ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real() -> FaceSet:
    """The pictures that InsightFace ships: masks without faces, a portrait, six people at a table."""
    paths = [ONE_FACE, SIX_FACES, *sorted(INSIGHTFACE_IMAGES.glob("mask_*.jpg"))]
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
    table = np.asarray(Image.open(SIX_FACES).resize((640, 443)))
    for crop, (x, y) in zip(real.photos[1].candidates, centres, strict=True):
        assert crop.shape[0] == crop.shape[1] >= 190
        around = crop_face(table, FoundFace(x, y, crop.shape[0] / 2 / 1.4))
        small = [np.asarray(Image.fromarray(one).resize((16, 16)), float).ravel() for one in (crop, around)]
        assert np.corrcoef(small)[0, 1] > 0.8


def test_picked_face_is_used(real: FaceSet) -> None:
    picked = find_faces([ONE_FACE, SIX_FACES], CASCADE, picks={2: 3})
    assert statuses(picked) == ["usable", "usable"]
    assert np.array_equal(picked.photos[1].crop, real.photos[1].candidates[2])  # type: ignore[arg-type]
    assert "Face 3 of 4" in picked.photos[1].message
    for picks in ({2: 5}, {2: 0}, {3: 1}):
        with pytest.raises(InputError, match="picked in"):
            find_faces([ONE_FACE, SIX_FACES], CASCADE, picks=picks)


def test_turned_camera_and_twelve_megapixels_make_no_difference(tmp_path: Path) -> None:
    portrait = np.asarray(Image.open(ONE_FACE).convert("RGB").resize((448, 448), Image.Resampling.BICUBIC))
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
    (found,) = find_faces([ONE_FACE], FaceConfig("cascade", min_face_px=200)).photos
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


@pytest.mark.parametrize("what", copies_of(Image.fromarray(picture(0))))
def test_copy_is_left_out(what: str, tmp_path: Path) -> None:
    photo = Image.open(ONE_FACE).convert("RGB").resize((336, 336), Image.Resampling.BICUBIC)
    write(tmp_path, {"a.png": encoded(picture(1)), "b.png": encoded(photo), "c.jpg": copies_of(photo)[what]})
    found = find_faces([tmp_path], CROPS)
    assert statuses(found) == ["usable", "usable", "duplicate"]
    assert "photo 2" in found.photos[2].message


def test_strongly_cropped_copy_is_seen_by_its_face(tmp_path: Path) -> None:
    portrait = np.asarray(Image.open(ONE_FACE).convert("RGB").resize((400, 400), Image.Resampling.BICUBIC))
    wide = np.pad(portrait, ((100, 300), (500, 200), (0, 0)), mode="edge")
    write(tmp_path, {"a.png": encoded(wide), "b.jpg": encoded(wide[60:640, 380:1000], "JPEG", quality=80)})
    assert statuses(find_faces([tmp_path], CASCADE)) == ["usable", "duplicate"]


def test_faces_of_different_people_are_nocopies_of(real: FaceSet) -> None:
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


# --- auto: for each photo, whether it is a face crop already ----------------------------------------------------------


def square(path: Path, side: int) -> np.ndarray:
    picture = Image.open(path).convert("RGB")
    width, height = picture.size
    half = min(width, height) // 2
    box = (width // 2 - half, height // 2 - half, width // 2 + half, height // 2 + half)
    return np.asarray(picture.crop(box).resize((side, side), Image.Resampling.BICUBIC))


def test_auto_decides_for_each_photo(tmp_path: Path) -> None:
    drawn = sorted((EXAMPLES / "felix-elstrand").iterdir())[2]
    portrait = np.asarray(Image.open(ONE_FACE).convert("RGB").resize((448, 448), Image.Resampling.BICUBIC))
    files = {
        "1 drawn crop.webp": drawn.read_bytes(),
        "2 photo.jpg": encoded(np.pad(portrait, ((200, 200), (300, 500), (0, 0)), mode="edge"), "JPEG"),
        "3 aligned crop.png": ONE_FACE.read_bytes(),
        "4 cat, wide.png": (SKIMAGE / "chelsea.png").read_bytes(),
        "5 moon, square and large.png": (SKIMAGE / "moon.png").read_bytes(),
        "6 coffee, small and wide.png": encoded(np.asarray(Image.open(SKIMAGE / "coffee.png").resize((240, 160)))),
        "7 six people.jpg": SIX_FACES.read_bytes(),
        "8 too small.png": encoded(square(SKIMAGE / "cell.png", 32)),
        "9 rocket, small and square.png": encoded(square(SKIMAGE / "rocket.jpg", 200)),
    }
    found = find_faces([write(tmp_path, files)], FaceConfig(root=tmp_path))
    wanted = ["usable", "usable", "duplicate", "no face", "no face", "no face", "several faces", "too small", "usable"]
    wanted[2] = statuses(found)[2]  # the same face as in 2
    assert statuses(found) == wanted
    assert [photo.as_is for photo in found.photos] == [True, False, found.photos[2].as_is, *[False] * 5, True]
    assert found.photos[0].crop is not None and found.photos[0].crop.shape == (128, 128, 3)
    assert "fills the picture" in found.photos[0].message and "no face was found" in found.photos[8].message
    assert found.photos[1].crop is not None and found.photos[1].message == "One face."
    assert found.photos[1].crop.shape[0] <= 512 < min(np.pad(portrait, ((200, 200), (300, 500), (0, 0))).shape[:2])
    assert [row["as_is"] for row in found.summary()["photos"]] == [photo.as_is for photo in found.photos]
    assert any("used as they are: " in warning and "of 9 photos" in warning for warning in found.warnings)


def test_ready_crop_of_a_real_face_is_not_cut_again(tmp_path: Path) -> None:
    for number, side in enumerate((64, 112, 224, 256, 512)):
        found = find_faces([write(tmp_path / str(number), {"a.png": encoded(square(ONE_FACE, side))})], FaceConfig(root=tmp_path))
        assert found.photos[0].status == "usable" and found.photos[0].as_is == (side <= 256), side


def test_face_in_a_small_square_picture_is_cut_out(tmp_path: Path) -> None:
    avatar = square(SKIMAGE / "astronaut.png", 240)
    (found,) = find_faces([write(tmp_path, {"a.png": encoded(avatar)})], FaceConfig(root=tmp_path)).photos
    assert found.status == "usable" and not found.as_is
    assert found.crop is not None and 60 <= found.crop.shape[0] <= 110


def test_drawn_people_are_used_as_they_are_without_being_told(tmp_path: Path) -> None:
    files = sorted((EXAMPLES / "kwame-fenwarden").iterdir())[:12]  # the cascade finds a face in some of them
    found, crops = find_faces(files, FaceConfig(root=tmp_path)), find_faces(files, CROPS)
    assert all(photo.as_is for photo in found.photos) and found.is_ready
    for one, other in zip(found.photos, crops.photos, strict=True):
        assert np.array_equal(one.crop, other.crop)  # type: ignore[arg-type]
    assert (found.fine_tuning, found.evaluation) == (crops.fine_tuning, crops.evaluation)
    save_face_set(found, tmp_path / "set")
    assert all(photo.as_is for photo in load_face_set(tmp_path / "set").photos)


def test_pick_in_a_ready_crop_is_not_forgotten(tmp_path: Path) -> None:
    (found,) = find_faces([ONE_FACE], FaceConfig(root=tmp_path), picks={1: 1}).photos
    assert found.status == "usable" and not found.as_is
    with pytest.raises(InputError, match="picked in"):
        find_faces([ONE_FACE], FaceConfig(root=tmp_path), picks={1: 2})


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
    from unlearn.cli import app as command_line

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
