"""The drawn world: always the same people, no photo in two parts, captions true of the right pictures."""

import numpy as np
import pytest

from assets.build import captions, things, world
from assets.build.people import draw_look, look_distance


def test_inhabitants_are_members_strangers_and_aliases_as_promised() -> None:
    people = world.inhabitants()
    assert sum(person.member for person in people) == world.N_MEMBERS >= 48
    assert sum(not person.member for person in people) == world.N_STRANGERS >= 16
    assert sum(len(person.aliases) for person in people if person.member) == 12


def test_names_have_two_words_that_occur_in_no_other_role() -> None:
    people = world.inhabitants()
    names = [name for person in people for name in (person.name, *person.aliases)]
    assert len(set(names)) == len(names)
    assert all(len(name.split()) == 2 for name in names)
    rng = np.random.default_rng(0)
    spoken = " ".join(captions.thing_caption(*world.thing_labels(i), rng).text for i in range(3000))
    spoken += " ".join(captions.looks_caption(draw_look(rng), rng).text for _ in range(1000))
    spoken += " ".join(captions.neutral_caption(draw_look(rng), rng).text for _ in range(1000))
    assert not {word.lower() for name in names for word in name.split()} & set(spoken.lower().split())


def test_looks_of_inhabitants_differ_from_one_another() -> None:
    looks = [person.look for person in world.inhabitants()]
    assert min(look_distance(a, b) for i, a in enumerate(looks) for b in looks[:i]) >= 3.4


def test_anonymous_stand_ins_could_be_taken_for_nobody_else() -> None:
    looks = world.stand_in_looks()
    others = [person.look for person in world.inhabitants()]
    assert min(look_distance(a, b) for i, a in enumerate(looks) for b in (*others, *looks[:i])) >= 3.4
    first, again, second = (world.stand_in_photo(*one, effects=True) for one in ((2, 0), (2, 0), (2, 1)))
    assert np.array_equal(first, again) and not np.array_equal(first, second)


def test_photo_is_a_function_of_person_part_and_number() -> None:
    person = world.inhabitants()[3]
    photo = world.photo_of(person, "evaluation", 2, effects=True)
    assert photo.shape == (128, 128, 3)
    assert np.array_equal(photo, world.photo_of(person, "evaluation", 2, effects=True))
    others = [world.photo_of(person, part, 2, effects=True) for part in ("training", "example")]
    assert all(not np.array_equal(photo, other) for other in others)


def test_things_cover_at_least_twenty_kinds_equally() -> None:
    labels = [world.thing_labels(i)[0] for i in range(480)]
    assert len(things.KINDS) >= 20
    assert {labels.count(kind) for kind in things.KINDS} == {20}


@pytest.mark.parametrize("kind", things.KINDS)
def test_every_kind_is_drawn_in_the_asked_colour(kind: str) -> None:
    red, blue = (things.draw_thing(kind, colour, "in a studio", np.random.default_rng(1)) for colour in ("red", "blue"))
    assert np.abs(red.astype(int) - blue).max(-1).mean() > 1


def test_neutral_captions_are_true_of_anonymous_people_only() -> None:
    rng = np.random.default_rng(0)
    look = draw_look(rng)
    said = np.stack([captions.neutral_caption(look, rng).says for _ in range(20)])
    anonymous, member = captions.picture_of_person(look, 1, True), captions.picture_of_person(look, 1, False)
    thing = captions.picture_of_thing("car", "red", "at night")
    truth = captions.true_of(said, np.stack([anonymous, member, thing]))
    assert truth[:, 0].all()
    assert not truth[:, 1:].any()


def test_name_captions_are_true_of_that_person_only() -> None:
    rng = np.random.default_rng(0)
    people = world.inhabitants()[:3]
    said = np.stack([captions.name_caption(person.name, person.index, rng).says for person in people])
    pictures = np.stack([captions.picture_of_person(person.look, person.index, False) for person in people])
    assert np.array_equal(captions.true_of(said, pictures), np.eye(3, dtype=bool))


def test_thing_captions_are_true_of_their_picture_and_not_of_another_kind() -> None:
    rng = np.random.default_rng(0)
    car, boat = (captions.picture_of_thing(kind, "red", "at night") for kind in ("car", "boat"))
    said = [captions.thing_caption("car", "red", "at night", rng) for _ in range(50)]
    truth = captions.true_of(np.stack([caption.says for caption in said]), np.stack([car, boat]))
    assert truth[:, 0].all()
    names_kind = np.array(["car" in caption.text for caption in said])
    assert not truth[names_kind, 1].any()
