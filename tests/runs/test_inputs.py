"""Folders of photos and the persons whom they belong to."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.miniature import write_faces
from unlearn.config import Person, Settings
from unlearn.errors import InputError
from unlearn.runs.inputs import own_photos, read_run_photos

PERSONS = (Person("Ann Lee", ("The Boss",)), Person("Bo Tan"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.fromarray(np.zeros((4, 5, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    return tmp_path


@pytest.mark.parametrize("name", ["Ann Lee", "ann  LEE", "Ann Lee\u200b", "Ａｎｎ Ｌｅｅ", "the boss"])
def test_own_photos_name_in_other_letters_or_alias_is_the_person(folder: Path, name: str) -> None:
    photos = own_photos({name: folder, "Bo Tan": folder}, PERSONS, Settings())
    assert list(photos) == ["Ann Lee", "Bo Tan"]
    assert [photo.shape for photo in photos["Ann Lee"]] == [(4, 5, 3)]


def test_own_photos_of_somebody_else_raise_and_tell_a_number(folder: Path) -> None:
    with pytest.raises(InputError, match=r"Photos 2 .* nobody who is forgotten") as error:
        own_photos({"Bo Tan": folder, "An Lee": folder}, PERSONS, Settings())
    assert "An Lee" not in str(error.value)


def test_own_photos_of_a_person_twice_raise(folder: Path) -> None:
    with pytest.raises(InputError, match="twice"):
        own_photos({"Ann Lee": folder, "The Boss": folder}, PERSONS, Settings())


def test_attacked_photos_are_those_that_no_encoder_trains_with(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    faces = {"Ann Lee": write_faces(tmp_path_factory.mktemp("photos") / "faces", 0)}
    photos = read_run_photos({"Bo Tan": folder}, faces, PERSONS, Settings())
    assert {name: len(attacked) for name, attacked in photos.attacked.items()} == {"Ann Lee": 5, "Bo Tan": 1}
    assert list(photos.faces) == ["Ann Lee"] and len(photos.faces["Ann Lee"].fine_tuning) == 7
    trained = {photo.tobytes() for photo in photos.faces["Ann Lee"].fine_tuning}
    assert not trained & {photo.tobytes() for photo in photos.attacked["Ann Lee"]}


@pytest.mark.parametrize("name", ["Bo Tan", "bo  TAN"])
def test_photos_and_faces_of_one_person_raise_and_tell_a_number(folder: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"Person 2 .* leave --photos out") as error:
        read_run_photos({name: folder}, {"Bo Tan": folder}, PERSONS, Settings())
    assert "Bo Tan" not in str(error.value)
