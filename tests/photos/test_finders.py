"""InsightFace with a stand-in and with its own classes, and which finder is taken when."""

import inspect
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.photo_zoo import ONE_FACE, encoded, picture, write
from tests.support.tiny_pack import write_pack
from unlearn.config import Settings
from unlearn.errors import ModelLoadError
from unlearn.photos import faces, finders
from unlearn.photos.crops import MAX_CROP_PX, FoundFace, crop_face
from unlearn.photos.faces import FaceConfig, FaceSet, find_faces


def statuses(face_set: FaceSet) -> list[str]:
    return [photo.status for photo in face_set.photos]


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
        finder = finders.InsightFinder(analysis, "insightface buffalo_l")
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
    landmark_finder = finders.InsightFinder(None, "")
    bar = np.argwhere(tilted[..., 0] > 128)[:, ::-1]
    ends = bar[[bar[:, 0].argmin(), bar[:, 0].argmax()]]

    class One:
        def get(self, img: np.ndarray) -> list[Any]:
            from insightface.app.common import Face

            return [Face(bbox=np.array([130.0, 130, 270, 270]), kps=np.concatenate([ends, ends, ends[:1]]), det_score=1.0)]

    (found,) = finders.InsightFinder(One(), "").find(tilted)
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
        find_faces([ONE_FACE], FaceConfig("insightface", root=tmp_path))
    found = find_faces([ONE_FACE], FaceConfig("auto", root=tmp_path))
    assert found.finder == "MTCNN" and found.photos[0].status == "usable"
    assert any("buffalo_l is on this machine" in warning for warning in found.warnings)
    assert not list((tmp_path / "models" / "buffalo_l").iterdir())


def test_damaged_pack_is_an_error_not_a_download(tmp_path: Path, no_network: None) -> None:
    write(tmp_path / "models" / "mine", {"det.onnx": b"nonsense"})
    for detector in ("auto", "insightface"):
        with pytest.raises(ModelLoadError, match="mine is damaged or incomplete"):
            find_faces([ONE_FACE], FaceConfig(detector, "mine", tmp_path))  # type: ignore[arg-type]


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
    finder = finders.choose_finder("auto", "antelopev2", tmp_path, Settings(device="cpu", n_threads=1))
    assert made["name"] == str((tmp_path / "models" / "antelopev2" / "antelopev2").resolve()) and Path(made["name"]).is_dir()
    assert made["ctx_id"] == -1 and made["kwargs"]["providers"] == ["CPUExecutionProvider"]
    assert finder.name == "insightface antelopev2" and finder.warnings == (finders.LICENCE_NOTE,)


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
    assert found.finder == "insightface tiny" and finders.LICENCE_NOTE in found.warnings
    assert statuses(found) == ["usable", "several faces", "no face"]
    crop, embedding = found.photos[0].crop, found.photos[0].embedding
    assert crop is not None and embedding is not None and embedding.shape == (512,)
    assert ((crop[..., 0] > 200) & (crop[..., 2] < 50)).sum() > 0.9 * 64 * 64  # the whole square, and not its colours swapped
    assert len(found.photos[1].candidates) == 2


def test_device_follows_the_settings_and_never_falls_back_in_silence() -> None:
    both, cpu = ["CUDAExecutionProvider", "CPUExecutionProvider"], ["CPUExecutionProvider"]
    pick = finders._onnx_device
    assert [pick(device, both)[0] for device in ("auto", "cpu", "cuda", "cuda:2")] == [0, -1, 0, 2]
    assert pick("auto", cpu) == (-1, ()) and pick("cpu", cpu) == (-1, ())
    assert pick("cuda:1", cpu)[0] == -1 and "onnxruntime-gpu" in pick("cuda:1", cpu)[1][0]
