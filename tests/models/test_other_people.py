"""Other people among drawn photos, noticed by the embedded set's own image embeddings."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.photo_zoo import encoded, write
from unlearn.config import Settings
from unlearn.models.other_people import with_other_people_marked
from unlearn.models.sets import EMBEDDED_ROOT
from unlearn.models.worlds import World
from unlearn.photos.faces import FaceConfig, FaceSet, find_faces

HERE = Settings(device="cpu", offline=True)


def flagged(face_set: FaceSet) -> list[int]:
    return [photo.number for photo in face_set.photos if photo.looks_different]


@pytest.fixture(scope="module")
def photos() -> dict[int, np.ndarray]:
    world = World(EMBEDDED_ROOT)
    return {index: world.photos(world.inhabitants[index]) for index in (0, 5, 7, 50)}  # the last is a stranger


@pytest.mark.parametrize("person", [0, 50])
def test_two_other_people_among_twelve_drawn_photos_are_flagged_and_nobody_else(
    person: int, photos: dict[int, np.ndarray], tmp_path: Path
) -> None:
    pictures = [*photos[person][:12], photos[7][3], photos[5][7]]
    found = find_faces([write(tmp_path, {f"{n:02d}.png": encoded(one) for n, one in enumerate(pictures)})], FaceConfig("crops"))
    assert flagged(found) == []
    marked = with_other_people_marked(found, "embedded", HERE)
    assert flagged(marked) == [13, 14] and any("photo 13, 14" in warning for warning in marked.warnings)
    assert all(photo.status == "usable" and photo.embedding is None for photo in marked.photos)
    alone = find_faces([tmp_path], FaceConfig("crops"))
    assert (marked.fine_tuning, marked.evaluation) == (alone.fine_tuning, alone.evaluation)


def test_sets_without_a_bar_and_photos_that_were_compared_are_left_alone(photos: dict[int, np.ndarray], tmp_path: Path) -> None:
    pictures = [*photos[0][:4], photos[7][0]]
    found = find_faces([write(tmp_path, {f"{n}.png": encoded(one) for n, one in enumerate(pictures)})], FaceConfig("crops"))
    assert flagged(with_other_people_marked(found, "embedded", HERE)) == [5]
    assert with_other_people_marked(found, "vit-l-14", HERE) is found, "nothing is loaded for a set without a bar"
    first, *rest = found.photos
    compared = replace(found, photos=(replace(first, embedding=np.ones(4, np.float32) / 2), *rest))
    assert with_other_people_marked(compared, "embedded", HERE) is compared
    cut = replace(found, photos=tuple(replace(photo, as_is=False) for photo in found.photos))
    assert with_other_people_marked(cut, "embedded", HERE) is cut, "of faces cut from photographs nothing is known"


def test_nobody_is_flagged_where_no_person_has_most_of_the_photos(photos: dict[int, np.ndarray], tmp_path: Path) -> None:
    pictures = [photos[person][n] for person in (0, 5, 7) for n in range(2)]
    found = find_faces([write(tmp_path, {f"{n}.png": encoded(one) for n, one in enumerate(pictures)})], FaceConfig("crops"))
    assert flagged(with_other_people_marked(found, "embedded", HERE)) == []
