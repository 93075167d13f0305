"""The seal of a run and its check: an untouched run is verified; one changed byte of the weights or of a picture is found."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.miniature import MEMBERS
from unlearn.config import Settings
from unlearn.errors import InputError, ModelLoadError
from unlearn.runs import verification
from unlearn.runs.portraits import write_png
from unlearn.runs.results import finished_run
from unlearn.runs.seal import defended_sha256
from unlearn.runs.stamps import Stamp, read_png, read_stamp
from unlearn.runs.verification import differences, verify

WEIGHTS, PICTURE = Path("defended/open_clip_text.safetensors"), Path("portraits/p00-defended-name-s0.png")


@pytest.fixture
def copied(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "run"))


def _change_a_byte(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(bytes(content))


# ---- the seal and the stamps --------------------------------------------------------------------------------------


def test_seal_holds_the_hash_of_every_file_of_weights_and_every_portrait(run: Path) -> None:
    finished = finished_run(run)
    assert finished.seal.created <= finished.manifest.created
    assert finished.seal.weights[WEIGHTS.as_posix()] == sha256((run / WEIGHTS).read_bytes()).hexdigest()
    assert finished.seal.weights.keys() == {path.relative_to(run).as_posix() for path in (run / "defended").rglob("*.safetensors")}
    files = {f"portraits/{entry.file}" for entry in finished.portraits}
    files |= {str(position.picture) for dial in finished.dial for position in dial.positions}
    assert finished.seal.pictures == {file: sha256((run / file).read_bytes()).hexdigest() for file in files}


def test_every_portrait_carries_its_seed_and_both_hashes_and_no_name(run: Path) -> None:
    finished = finished_run(run)
    for entry in finished.portraits:
        stamp = read_stamp(run / "portraits" / entry.file)
        assert stamp is not None and (stamp.seed, stamp.model) == (entry.seed, entry.model)
        assert entry.weights_hash == {"original": stamp.original, "defended": stamp.defended}[entry.model]
        assert stamp.sha256 == finished.seal.weights[WEIGHTS.as_posix()] == defended_sha256(run, stamp.defended)
        content = (run / "portraits" / entry.file).read_bytes()
        assert not any(part.encode() in content for name in (*MEMBERS, "Captain Storm") for part in name.split() if len(part) > 3)
    between = read_stamp(run / str(finished.dial[1].positions[2].picture))
    assert between is not None and (between.model, between.share, between.seed) == ("between", 0.5, 0)


def test_stamp_comes_back_from_the_file_and_the_picture_is_the_same(tmp_path: Path) -> None:
    image = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
    stamp = Stamp(7, "defended", "a" * 16, "b" * 16, "c" * 64, 0.25)
    write_png(tmp_path / "with.png", image, stamp.chunks())
    write_png(tmp_path / "without.png", image)
    assert read_stamp(tmp_path / "with.png") == stamp and read_stamp(tmp_path / "without.png") is None
    assert np.array_equal(read_png(tmp_path / "with.png"), image)
    keys = {"seed", "model", "original-weights", "defended-weights", "defended-sha256", "share"}
    assert set(Image.open(tmp_path / "with.png").info) == {f"unlearn:{key}" for key in keys}, "other programs read these keys"


def test_damaged_stamp_is_told(tmp_path: Path) -> None:
    write_png(tmp_path / "x.png", np.zeros((4, 4, 3), np.uint8), {"unlearn:seed": "seven"})
    with pytest.raises(InputError, match=r"stamp of the picture x\.png"):
        read_stamp(tmp_path / "x.png")


# ---- the check ---------------------------------------------------------------------------------------------------


def test_untouched_run_is_verified_by_weights_and_by_both_portraits_of_a_seed(run: Path, shared: Settings) -> None:
    told = verify(shared, run, seed=1)
    assert told.is_verified and all(check.is_equal for check in told.weights) and len(told.weights) == 2
    assert [(check.model, check.seed, check.is_sealed_file) for check in told.pictures] == [("original", 1, True), ("defended", 1, True)]
    assert all(check.outcome in ("equal", "rounding") and check.largest_difference <= told.tolerance for check in told.pictures)  # type: ignore[operator]
    assert told.sealed_at == finished_run(run).seal.created and (told.device, told.run_device) == ("cpu", "cpu")


@pytest.mark.parametrize("place", [-1, 3000])
def test_one_changed_byte_of_the_weights_is_found_and_nothing_is_drawn_with_them(copied: Path, shared: Settings, place: int) -> None:
    _change_a_byte(copied / WEIGHTS, place)
    told = verify(shared, copied)
    assert not told.is_verified and told.pictures == ()
    assert [check.is_equal for check in told.weights] == [check.file != WEIGHTS.as_posix() for check in told.weights]


def test_weights_whose_description_was_changed_along_do_not_pass_the_seal(copied: Path, shared: Settings) -> None:
    _change_a_byte(copied / WEIGHTS, -1)
    config = json.loads((copied / "defended" / "config.json").read_text())
    config["files"][WEIGHTS.name]["sha256"] = sha256((copied / WEIGHTS).read_bytes()).hexdigest()
    (copied / "defended" / "config.json").write_text(json.dumps(config))
    assert not verify(shared, copied).is_verified


def test_missing_and_added_weights_are_found(copied: Path, shared: Settings) -> None:
    (copied / WEIGHTS).rename(copied / "defended" / "other.safetensors")
    checks = {Path(check.file).name: check for check in verify(shared, copied).weights}
    assert checks[WEIGHTS.name].now is None and checks["other.safetensors"].sealed is None
    assert not checks[WEIGHTS.name].is_equal and not checks["other.safetensors"].is_equal


@pytest.mark.parametrize("place", [40, 600, -20])
def test_one_changed_byte_of_a_picture_is_found(copied: Path, shared: Settings, place: int) -> None:
    _change_a_byte(copied / PICTURE, place)
    told = verify(shared, copied)
    by_model = {check.model: check for check in told.pictures}
    assert not told.is_verified and by_model["original"].is_good
    assert not by_model["defended"].is_sealed_file and not by_model["defended"].is_good


def test_swapped_picture_is_found_even_where_the_seal_was_made_again(copied: Path, shared: Settings) -> None:
    shutil.copyfile(copied / "portraits" / "p00-defended-name-s1.png", copied / PICTURE)
    seal = json.loads((copied / "seal.json").read_text())
    seal["pictures"][PICTURE.as_posix()] = sha256((copied / PICTURE).read_bytes()).hexdigest()
    (copied / "seal.json").write_text(json.dumps(seal))
    (check,) = [check for check in verify(shared, copied).pictures if check.model == "defended"]
    assert check.is_sealed_file and check.outcome == "different"
    assert check.largest_difference is not None and check.largest_difference > 10 and check.n_different > check.n_pixels // 2


def test_missing_picture_cannot_be_compared(copied: Path, shared: Settings) -> None:
    (copied / PICTURE).unlink()
    checks = {check.model: check for check in verify(shared, copied).pictures}
    assert checks["defended"].outcome == "unreadable" and checks["defended"].largest_difference is None


def test_another_kind_of_device_decides_nothing_where_pictures_differ(
    copied: Path, shared: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = json.loads((copied / "manifest.json").read_text())
    (copied / "manifest.json").write_text(json.dumps({**manifest, "device": "cuda:0"}))
    monkeypatch.setattr(verification, "differences", lambda one, other: (5, 3))
    told = verify(shared, copied)
    assert {check.outcome for check in told.pictures} == {"undecided"} and not told.is_verified


def test_differences_count_pixels_and_tell_the_largest_level() -> None:
    one = np.zeros((2, 3, 3), np.uint8)
    other = one.copy()
    other[0, 0], other[1, 2, 0] = 2, 255
    assert differences(one, one) == (0, 0) and differences(one, other) == (2, 255)
    assert differences(one, np.zeros((4, 4, 3), np.uint8)) == (16, 255)


def test_seed_person_and_seal_that_are_not_there_are_told(copied: Path, shared: Settings) -> None:
    with pytest.raises(InputError, match="no portrait with seed 9; it has 0, 1"):
        verify(shared, copied, seed=9)
    with pytest.raises(InputError, match="2 persons"):
        verify(shared, copied, person_index=2)
    (copied / "seal.json").unlink()
    manifest = json.loads((copied / "manifest.json").read_text())
    (copied / "manifest.json").write_text(json.dumps(manifest))  # a later time: the run is read again
    with pytest.raises(InputError, match="has no seal"):
        verify(shared, copied)


def test_weights_of_another_original_are_refused(copied: Path, shared: Settings) -> None:
    config = json.loads((copied / "defended" / "config.json").read_text())
    for row in config["files"].values():
        row["original_hash"] = "0" * 16
    (copied / "defended" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelLoadError, match="other weights"):
        verify(replace(shared), copied)
