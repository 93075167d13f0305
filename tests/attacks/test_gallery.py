"""The attack's inputs: photos, candidate names, and prompts that are embedded once."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.support.miniature import MEMBERS, STRANGERS
from unlearn.attacks.gallery import build_gallery, personal_gallery, prompt_embeddings
from unlearn.attacks.idia import idia_prompts
from unlearn.config import IdiaConfig, Person
from unlearn.errors import ConfigError
from unlearn.models.clip import Clip
from unlearn.models.embeddings import EmbeddingCache, encode
from unlearn.models.images import embed_images
from unlearn.models.worlds import World
from unlearn.photos.folders import read_photos

CONFIG = IdiaConfig(n_candidate_names=30)


@pytest.fixture(scope="module")
def world(miniature: Path) -> World:
    return World(miniature)


def test_candidates_are_everybody_of_the_world_and_the_same_from_run_to_run(original: Clip, world: World) -> None:
    one = build_gallery(original, world, [Person(MEMBERS[0])], CONFIG)
    other = build_gallery(original, world, [Person("Nobody Known")], CONFIG)
    assert one.base_names == other.base_names
    assert len(one.candidates) == 30
    assert {*MEMBERS, *STRANGERS} <= set(one.candidates)
    assert "Captain Storm" not in one.candidates
    assert set(one.photos) == {*MEMBERS, *STRANGERS}
    assert {len(rows) for rows in one.photos.values()} == {20}


def test_alias_takes_the_place_of_the_real_name(original: Clip, world: World) -> None:
    plain = build_gallery(original, world, [], CONFIG)
    found = build_gallery(original, world, [Person("captain storm")], CONFIG)
    assert found.candidates[plain.candidates.index(MEMBERS[0])] == "captain storm"
    assert MEMBERS[0] not in found.candidates and MEMBERS[0] not in found.photos
    assert torch.equal(found.photos["captain storm"], plain.photos[MEMBERS[0]])


@pytest.mark.parametrize("names", [(MEMBERS[0], "Captain Storm"), ("Captain Storm", MEMBERS[0]), ("captain storm", MEMBERS[0].lower())])
def test_somebody_given_under_two_names_as_two_persons_is_attacked_under_both(original: Clip, world: World, names: tuple[str, str]) -> None:
    found = build_gallery(original, world, [Person(name) for name in names], CONFIG)
    assert set(names) <= set(found.candidates) and len(set(found.candidates)) == 30
    assert torch.equal(found.photos[names[0]], found.photos[names[1]])
    outcomes = found.attack(prompt_embeddings(original.text, found, None), names)
    assert all(outcome.recognised is not None for outcome in outcomes)
    assert not {vote.majority_name for vote in outcomes[0].templates} & {names[1]}  # no rival to oneself


def test_own_photos_of_an_alias_leave_one_place_for_it(original: Clip, world: World) -> None:
    photos = {"Captain Storm": list(np.random.default_rng(0).integers(0, 256, (20, 40, 50, 3), dtype=np.uint8))}
    found = build_gallery(original, world, [Person("Captain Storm")], CONFIG, photos)
    assert found.candidates.count("Captain Storm") == 1 and MEMBERS[0] not in found.candidates
    assert len(found.candidates) == 30


def test_name_that_stands_among_the_candidates_in_other_letters_stands_there_once(original: Clip, world: World) -> None:
    stranger = next(name for name in build_gallery(original, world, [], CONFIG).candidates if name not in {*MEMBERS, *STRANGERS})
    photos = {stranger.lower(): list(np.random.default_rng(0).integers(0, 256, (20, 40, 50, 3), dtype=np.uint8))}
    found = build_gallery(original, world, [Person(stranger.lower())], CONFIG, photos)
    assert [name for name in found.candidates if name.casefold() == stranger.casefold()] == [stranger.lower()]


@pytest.mark.parametrize("n_candidates", [5, 9])
def test_too_few_candidates_for_everybody_are_an_error(original: Clip, world: World, n_candidates: int) -> None:
    photos = {"New Person": list(np.zeros((20, 40, 50, 3), dtype=np.uint8))}
    with pytest.raises(ConfigError, match="raise"):
        build_gallery(original, world, [Person("New Person")], IdiaConfig(n_candidate_names=n_candidates), photos)


def test_own_photos_make_an_unknown_person_attackable(original: Clip, world: World) -> None:
    photos = {"New Person": list(np.random.default_rng(0).integers(0, 256, (20, 40, 50, 3), dtype=np.uint8))}
    found = build_gallery(original, world, [Person("New Person")], CONFIG, photos)
    assert "New Person" in found.candidates
    assert len(found.candidates) == 30 and {*MEMBERS, *STRANGERS} <= set(found.candidates)
    (outcome,) = found.attack(prompt_embeddings(original.text, found, None), ["New Person"])
    assert outcome.recognised is not None and len(outcome.templates) == 21


@pytest.mark.parametrize("name", [MEMBERS[0], "captain storm", MEMBERS[1].upper(), STRANGERS[0], "Nobody Known"])
def test_personal_gallery_attacks_one_person_as_the_whole_one_does(original: Clip, world: World, name: str) -> None:
    whole = build_gallery(original, world, [Person(name)], CONFIG)
    personal = personal_gallery(original, world, Person(name), CONFIG)
    assert personal.candidates == whole.candidates and personal.base_names == whole.base_names
    assert set(personal.photos) == {name} & set(whole.photos)
    prompts = prompt_embeddings(original.text, whole, None)
    assert personal.attack(prompts, [name]) == whole.attack(prompts, [name])


def test_personal_gallery_with_own_photos_embeds_nothing_else(
    original: Clip, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = {MEMBERS[0]: list(np.random.default_rng(0).integers(0, 256, (20, 40, 50, 3), dtype=np.uint8))}
    whole = build_gallery(original, world, [Person(MEMBERS[0])], CONFIG, photos)
    monkeypatch.setattr("unlearn.attacks.gallery.world_photos", None)
    personal = personal_gallery(original, world, Person(MEMBERS[0]), CONFIG, photos)
    assert personal.candidates == whole.candidates and personal.own == whole.own == {MEMBERS[0]}
    assert torch.equal(personal.photos[MEMBERS[0]], whole.photos[MEMBERS[0]])


def test_embeddings_of_a_persons_photos_do_not_depend_on_who_else_is_embedded(original: Clip, miniature: Path) -> None:
    alone = personal_gallery(original, World(miniature), Person(MEMBERS[2]), CONFIG)
    everybody = build_gallery(original, World(miniature), [], CONFIG)
    assert torch.equal(alone.photos[MEMBERS[2]], everybody.photos[MEMBERS[2]])


def test_person_without_photos_is_not_attacked(original: Clip, world: World) -> None:
    found = build_gallery(original, world, [Person("New Person")], CONFIG)
    outcomes = found.attack(prompt_embeddings(original.text, found, None), ["New Person", MEMBERS[1]])
    assert [outcome.recognised is None for outcome in outcomes] == [True, False]
    assert [outcome.name for outcome in outcomes] == ["New Person", MEMBERS[1]]


def test_set_without_world_attacks_who_has_own_photos(original: Clip) -> None:
    photos = {"New Person": list(np.zeros((20, 40, 40, 3), dtype=np.uint8))}
    found = build_gallery(original, None, [Person("New Person"), Person("Other Person")], CONFIG, photos)
    assert "New Person" in found.candidates and "Other Person" not in found.candidates
    assert list(found.photos) == ["New Person"]


@pytest.mark.parametrize("name", [MEMBERS[1], "Captain Storm"])
def test_cached_prompts_equal_those_embedded_anew(original: Clip, world: World, tmp_path: Path, name: str) -> None:
    found = build_gallery(original, world, [Person(name)], CONFIG)
    expected = encode(original.text, idia_prompts(found.candidates))
    for _ in range(2):  # filled, then read
        cached = prompt_embeddings(original.text, found, EmbeddingCache(tmp_path))
        assert torch.allclose(cached, expected, atol=1e-5)


def test_cache_serves_all_persons_of_a_world(
    original: Clip, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build_gallery(original, world, [Person(MEMBERS[0])], CONFIG)
    prompt_embeddings(original.text, first, EmbeddingCache(tmp_path))
    monkeypatch.setattr(type(original.text), "embed_texts", None)  # whoever embeds now fails
    second = build_gallery(original, world, [Person(MEMBERS[1])], CONFIG)
    assert prompt_embeddings(original.text, second, EmbeddingCache(tmp_path)).shape[0] == 21 * 30


def test_embeddings_do_not_depend_on_the_batch(original: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).integers(0, 256, (7, 40, 40, 3), dtype=np.uint8)
    whole = embed_images(original.image, images)
    monkeypatch.setattr("unlearn.models.images.IMAGE_BATCH", 3)
    assert torch.allclose(embed_images(original.image, list(images)), whole, atol=1e-5)


def test_photos_of_a_folder_are_upright_rgb_in_order(tmp_path: Path) -> None:
    Image.new("RGB", (30, 20), (255, 0, 0)).save(tmp_path / "b.png")
    turned = Image.new("RGB", (30, 20))
    exif = turned.getexif()
    exif[0x0112] = 6  # turned by a quarter
    turned.save(tmp_path / "a.jpg", exif=exif)
    Image.new("L", (10, 10), 7).save(tmp_path / "c.webp", lossless=True)
    (tmp_path / "notes.txt").write_text("no photo")
    shapes = [photo.shape for photo in read_photos(tmp_path)]
    assert shapes == [(30, 20, 3), (20, 30, 3), (10, 10, 3)]


def test_unreadable_photo_is_told_by_number_not_by_name(tmp_path: Path) -> None:
    from unlearn.errors import InputError

    Image.new("RGB", (30, 20)).save(tmp_path / "a.png")
    (tmp_path / "secret-name.jpg").write_bytes(b"no picture")
    with pytest.raises(InputError, match="Photo 2 of 2") as caught:
        read_photos(tmp_path)
    assert "secret-name" not in str(caught.value)
    for folder in (tmp_path / "missing", tmp_path / "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(InputError, match="folder of photos"):
            read_photos(folder)
