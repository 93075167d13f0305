"""Worlds: inhabitants, their photos, labelled things; broken files are clear errors."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.miniature import KINDS, MEMBERS, N_STAND_INS, PHOTO_SIDE, STRANGERS
from unlearn.errors import ModelLoadError
from unlearn.models.worlds import World, read_sheet


def test_inhabitants_are_members_then_strangers(miniature: Path) -> None:
    world = World(miniature)
    assert [one.name for one in world.inhabitants] == [*MEMBERS, *STRANGERS]
    assert [one.member for one in world.inhabitants] == [True] * 6 + [False] * 3
    assert world.members[0].aliases == ("Captain Storm",)
    assert world.members[0].person.triggers == (MEMBERS[0], "Captain Storm")


@pytest.mark.parametrize(("name", "index"), [("ada brook", 0), ("CAPTAIN STORM", 0), (STRANGERS[0], 6), ("Nobody", None)])
def test_find_takes_names_and_aliases_in_any_case(miniature: Path, name: str, index: int | None) -> None:
    found = World(miniature).find(name)
    assert (found.index if found else None) == index


def test_photos_are_the_pictures_of_the_persons_sheet(miniature: Path) -> None:
    world = World(miniature)
    photos = world.photos(world.members[1])
    assert photos.shape == (20, PHOTO_SIDE, PHOTO_SIDE, 3) and photos.dtype == np.uint8
    sheet = np.asarray(Image.open(miniature / "photos" / "person-01.webp").convert("RGB"))
    assert np.array_equal(photos[6], sheet[PHOTO_SIDE : 2 * PHOTO_SIDE, PHOTO_SIDE : 2 * PHOTO_SIDE])


def test_things_are_labelled_pictures(miniature: Path) -> None:
    things = World(miniature).things
    assert things is not None
    assert len(things.images) == len(things.labels) == 40
    assert things.kinds == KINDS and set(things.labels) <= set(range(len(KINDS)))


def test_stand_in_people_have_a_row_of_photos_each(miniature: Path, tmp_path: Path) -> None:
    people = World(miniature).stand_in_people
    assert people is not None and people.shape == (N_STAND_INS, 5, PHOTO_SIDE, PHOTO_SIDE, 3)
    sheet = np.asarray(Image.open(miniature / "photos" / "stand-in-people.webp").convert("RGB"))
    assert np.array_equal(people[2, 1], sheet[2 * PHOTO_SIDE : 3 * PHOTO_SIDE, PHOTO_SIDE : 2 * PHOTO_SIDE])
    shutil.copy(miniature / "world.json", tmp_path)
    assert World(tmp_path).stand_in_people is None


def test_world_without_things_has_none(miniature: Path, tmp_path: Path) -> None:
    shutil.copy(miniature / "world.json", tmp_path)
    assert World(tmp_path).things is None


BROKEN = [{}, {"name": 5}, {"name": "Ada", "aliases": "Addie"}, {"name": "Ada", "aliases": [1]}, {"name": "Ada", "gender": None}, "Ada"]
BROKEN_WORLDS = [json.dumps({"members": [row], "strangers": [], "kinds": []}) for row in BROKEN]


@pytest.mark.parametrize("content", ["{", "[]", "{}", *BROKEN_WORLDS])
def test_broken_world_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "world.json").write_text(content)
    with pytest.raises(ModelLoadError, match=r"world\.json"):
        World(tmp_path)


def test_world_says_what_its_photos_are_and_nothing_is_assumed(miniature: Path, tmp_path: Path) -> None:
    content = json.loads((miniature / "world.json").read_text("utf-8"))
    assert World(miniature).photo_kind == "drawn"
    for photos, kind in (("crops", "crops"), (None, "raw")):
        said = {**content, "photos": photos} if photos else {key: value for key, value in content.items() if key != "photos"}
        (tmp_path / "world.json").write_text(json.dumps(said), "utf-8")
        assert World(tmp_path).photo_kind == kind
    (tmp_path / "world.json").write_text(json.dumps({**content, "photos": "painted"}), "utf-8")
    with pytest.raises(ModelLoadError, match="photos are 'painted'; use drawn, crops, raw"):
        World(tmp_path)


def test_thing_of_an_unknown_kind_is_an_error(miniature: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(miniature, tmp_path / "set"))
    (root / "photos" / "things.json").write_text(json.dumps({"rows": [{"kind": "dragon"}]}))
    with pytest.raises(ModelLoadError, match="dragon"):
        _ = World(root).things


def test_sheet_that_is_no_grid_is_an_error(tmp_path: Path) -> None:
    Image.new("RGB", (50, 33)).save(tmp_path / "sheet.png")
    with pytest.raises(ModelLoadError, match="no grid"):
        read_sheet(tmp_path / "sheet.png", 5)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(ModelLoadError, match="cannot be read"):
        read_sheet(tmp_path / "text.png", 5)
