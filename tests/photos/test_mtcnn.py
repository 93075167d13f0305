"""MTCNN in numpy against torch, the faces it finds in real photos, upright and turned, and what it must not find."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from assets.build.face_finder import convert
from tests.support.photo_zoo import INSIGHTFACE_IMAGES, ONE_FACE, SITE, SIX_FACES, encoded, picture, write
from tests.support.tiny_pack import write_pack
from unlearn.errors import InputError, ModelLoadError
from unlearn.photos import finders, mtcnn_networks
from unlearn.photos.alignment import TEMPLATE, similarity
from unlearn.photos.crops import FACE, Fingerprint, FoundFace, crop_face
from unlearn.photos.faces import FaceConfig, find_faces
from unlearn.photos.mtcnn import MtcnnFinder
from unlearn.photos.mtcnn_networks import LAYERS, load_networks

ROOT = Path(__file__).resolve().parent.parent.parent
SKIMAGE = SITE / "skimage" / "data"
MTCNN = FaceConfig("mtcnn")


def rgb(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def table() -> np.ndarray:
    """Six people, half as large as the file has them, so that the tests are quick."""
    return np.asarray(Image.open(SIX_FACES).convert("RGB").resize((640, 443)))


def tilted(pixels: np.ndarray, degrees: float) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).rotate(degrees, Image.Resampling.BICUBIC, expand=True))


@pytest.fixture(scope="module")
def finder() -> MtcnnFinder:
    return MtcnnFinder()


@pytest.fixture(scope="module")
def six(finder: MtcnnFinder) -> list[FoundFace]:
    return finder.find(table())


# --- the networks -----------------------------------------------------------------------------------------------


def in_torch(network: str, pictures: np.ndarray) -> dict[str, np.ndarray]:
    """The same network, layer by layer as figure 2 of the paper has them, by torch."""
    from safetensors.torch import load_file

    arrays = load_file(mtcnn_networks.NETWORKS)
    x = (torch.from_numpy(pictures).float().permute(0, 3, 1, 2) - 127.5) / 128
    answers = {}
    for layer in LAYERS[network]:
        weight, bias = (arrays[f"{network}.{layer.name}.{kind}"] for kind in ("weight", "bias"))
        flat = x.permute(0, 3, 2, 1).flatten(1) if layer.dense and x.ndim == 4 else x
        y = flat @ weight + bias if layer.dense else functional.conv2d(x, weight.permute(3, 2, 0, 1), bias)
        if layer.slope:
            x = functional.prelu(y, arrays[f"{network}.{layer.name}.slope"].flatten())
            x = functional.max_pool2d(x, *layer.pool, ceil_mode=True) if layer.pool else x
        else:
            answers[layer.name] = y.permute(0, 2, 3, 1).numpy() if y.ndim == 4 else y.numpy()
    answers["face"] = torch.from_numpy(answers["face"]).softmax(-1)[..., 1].numpy()
    return answers


@pytest.mark.parametrize(("network", "height", "width"), [("pnet", 47, 61), ("pnet", 12, 12), ("rnet", 24, 24), ("onet", 48, 48)])
def test_networks_in_numpy_answer_as_in_torch(network: str, height: int, width: int) -> None:
    pictures = np.stack([picture(seed, height, width) for seed in range(3)])
    ours, theirs = load_networks()[network](pictures), in_torch(network, pictures)
    assert ours.keys() == theirs.keys() and np.ptp(ours["face"]) > 0
    for name, answer in ours.items():
        assert np.allclose(answer, theirs[name], atol=1e-4), name


def test_missing_or_damaged_networks_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"damaged.safetensors": b"version https://git-lfs.github.com/spec/v1"})
    for name in ("damaged.safetensors", "missing.safetensors"):
        with pytest.raises(ModelLoadError, match="MTCNN is missing or damaged; install"):
            load_networks(tmp_path / name)
    monkeypatch.setattr(finders, "NETWORKS", tmp_path / "missing.safetensors")
    found = find_faces([ONE_FACE], FaceConfig("auto", root=tmp_path))
    assert found.finder.startswith("LBP cascade") and any("MTCNN is missing" in warning for warning in found.warnings)


def test_only_the_wheel_that_is_known_is_converted(tmp_path: Path) -> None:
    write(tmp_path, {"mtcnn-1.0.0-py3-none-any.whl": b"PK"})
    with pytest.raises(InputError, match="SHA-256"):
        convert(tmp_path / "mtcnn-1.0.0-py3-none-any.whl", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_finding_faces_loads_neither_torch_nor_what_could_run_code() -> None:
    script = (
        "import sys, numpy as np\n"
        "from unlearn.photos.mtcnn import MtcnnFinder\n"
        "MtcnnFinder().find(np.zeros((60, 60, 3), np.uint8))\n"
        "print(sorted({'torch', 'tensorflow', 'mtcnn', 'joblib', 'pickle5', 'onnxruntime', 'cv2'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- what is found ----------------------------------------------------------------------------------------------


def test_all_six_at_the_table_are_found_from_left_to_right(six: list[FoundFace]) -> None:
    centres = ((57, 165), (158, 105), (258, 170), (394, 206), (470, 66), (587, 167))  # seen by eye
    assert len(six) == 6
    for face, (x, y) in zip(six, centres, strict=True):
        assert np.hypot(face.x - x, face.y - y) < 0.2 * face.side and 50 < face.side < 80


@pytest.mark.parametrize("degrees", [20, -20, 40, -40])
def test_faces_of_a_turned_photo_are_found_and_cropped_as_upright(degrees: float, finder: MtcnnFinder, six: list[FoundFace]) -> None:
    upright, turned = table(), tilted(table(), degrees)
    found = finder.find(turned)
    assert len(found) == 6
    middles = [complex(shape[1], shape[0]) / 2 for shape in (upright.shape, turned.shape)]
    for face in six:
        place = (complex(face.x, face.y) - middles[0]) * np.exp(-1j * np.deg2rad(degrees)) + middles[1]
        other = min(found, key=lambda one: abs(complex(one.x, one.y) - place))
        assert abs(complex(other.x, other.y) - place) < 0.1 * face.side
        assert other.side == pytest.approx(face.side, rel=0.2) and other.roll == pytest.approx(face.roll - degrees, abs=10)
        one, two = (Fingerprint(crop_face(pixels, which), FACE) for pixels, which in ((upright, face), (turned, other)))
        assert one.likeness(two) > 0.75  # different people: at most 0.51


def test_aligned_crop_of_112_px_shows_its_face(finder: MtcnnFinder) -> None:
    (face,) = finder.find(rgb(ONE_FACE))
    assert abs(face.roll) < 6 and 95 < face.side < 125
    (photo,) = find_faces([ONE_FACE], MTCNN).photos
    assert photo.status == "usable" and photo.crop is not None and photo.crop.shape == (112, 112, 3)


def test_large_photo_and_small_face_in_it(finder: MtcnnFinder) -> None:
    portrait = np.asarray(Image.fromarray(rgb(SKIMAGE / "astronaut.png")[20:220, 130:330]).resize((300, 300)))
    photo = np.pad(portrait, ((1200, 1500), (2000, 1700), (0, 0)), mode="edge")
    (face,) = finder.find(photo)
    assert photo.shape == (3000, 4000, 3) and abs(face.x - 2145) < 25 and abs(face.y - 1340) < 30 and 150 < face.side < 210


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (11, 11), (12, 12), (300, 5)])
def test_tiny_and_narrow_pictures_hold_no_face(shape: tuple[int, int], finder: MtcnnFinder) -> None:
    assert finder.find(np.full((*shape, 3), 128, np.uint8)) == []


def test_other_things_are_no_faces(finder: MtcnnFinder) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    stripes = np.repeat((np.arange(300) // 8 % 2 * 255).astype(np.uint8)[None, :, None], 3, axis=2).repeat(200, axis=0)
    names = ("chelsea.png", "coins.png", "text.png")
    files = [SKIMAGE / name for name in names] + [INSIGHTFACE_IMAGES / "mask_blue.jpg"]
    things = [np.asarray(Image.fromarray(rgb(file)).resize((240, 160))) for file in files]
    assert [len(finder.find(thing)) for thing in (noise, stripes, picture(0, 200, 300), *things)] == [0] * 7


def test_photos_without_with_one_and_with_several_faces_are_told_apart(tmp_path: Path) -> None:
    files = {"a.png": encoded(picture(0, 300, 400)), "b.png": (SKIMAGE / "astronaut.png").read_bytes()}
    found = find_faces([write(tmp_path, files | {"c.png": encoded(table())})], MTCNN)
    assert [photo.status for photo in found.photos] == ["no face", "usable", "several faces"]
    assert "upright and from the front" in found.photos[0].message and "6 faces; pick" in found.photos[2].message


# --- alignment and recognition ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("turn", "shift"), [(1 + 0j, 0j), (2.5j, 100 - 40j), (-0.3 + 0.4j, 12 + 900j)])
def test_similarity_brings_the_template_onto_the_landmarks(turn: complex, shift: complex) -> None:
    found = similarity(turn * TEMPLATE + shift)
    assert found.turn == pytest.approx(turn) and found.shift == pytest.approx(shift)
    assert found.roll == pytest.approx(np.rad2deg(np.angle(turn))) and found.side == pytest.approx(108 * abs(turn))


def test_recognition_at_hand_is_used_and_nothing_is_said_about_its_absence(tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "pack")
    (tmp_path / "models" / "sface").mkdir(parents=True)
    shutil.copy(pack / "w600k_r50.onnx", tmp_path / "models" / "sface" / "recognition.onnx")
    found = find_faces([SKIMAGE / "astronaut.png"], FaceConfig("auto", root=tmp_path))
    (photo,) = found.photos
    assert found.finder == "MTCNN with SFace" and photo.embedding is not None and np.linalg.norm(photo.embedding) == pytest.approx(1)
    assert not any("SFace" in warning for warning in found.warnings)
    without = find_faces([ONE_FACE], FaceConfig("auto", root=tmp_path / "nothing"))
    assert without.finder == "MTCNN" and any("neither SFace nor" in warning for warning in without.warnings)


def test_damaged_recognition_is_told(tmp_path: Path) -> None:
    write(tmp_path / "models" / "sface", {"recognition.onnx": b"nonsense"})
    with pytest.raises(ModelLoadError, match="SFace is damaged"):
        find_faces([SKIMAGE / "astronaut.png"], FaceConfig("mtcnn", root=tmp_path))
