"""Folders of photos and the persons whom they belong to."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unlearn.config import Person, Settings
from unlearn.errors import InputError
from unlearn.runs.inputs import own_photos

PERSONS = (Person("Ann Lee", ("The Boss",)), Person("Bo Tan"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.fromarray(np.zeros((4, 5, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    return tmp_path


@pytest.mark.parametrize("name", ["Ann Lee", "ann  LEE", "Ann Lee\u200b", "Ａｎｎ Ｌｅｅ", "the boss"])
def test_own_photos_name_in_other_letters_or_alias_is_the_person(folder: Path, name: str) -> None:
    found = own_photos({name: folder, "Bo Tan": folder}, PERSONS, Settings())
    assert list(found) == ["Ann Lee", "Bo Tan"]
    assert [photo.shape for photo in found["Ann Lee"]] == [(4, 5, 3)]


def test_own_photos_of_somebody_else_raise_and_tell_a_number(folder: Path) -> None:
    with pytest.raises(InputError, match=r"Photos 2 .* nobody who is forgotten") as error:
        own_photos({"Bo Tan": folder, "An Lee": folder}, PERSONS, Settings())
    assert "An Lee" not in str(error.value)


def test_own_photos_of_a_person_twice_raise(folder: Path) -> None:
    with pytest.raises(InputError, match="twice"):
        own_photos({"Ann Lee": folder, "The Boss": folder}, PERSONS, Settings())
