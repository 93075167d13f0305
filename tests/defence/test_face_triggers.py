"""Batches of images: who is in which, shared out evenly, a function of seed and step, no picture where it does not belong."""

import pytest
import torch
from torch import Tensor

from unlearn.config import ImageFineTuneConfig
from unlearn.defence.face_triggers import FaceTriggers, generator_of
from unlearn.errors import InputError

SIDE = 32
CALM = {"color_jitter": 0.0, "hue_jitter": 0.0, "rotation_degrees": 0.0}


def plain(value: int, n: int = 1) -> Tensor:
    """n pictures of one grey."""
    return torch.full((n, 3, SIDE, SIDE), value, dtype=torch.uint8)


def triggers(seed: int = 0, n_persons: int = 2, **changes: object) -> FaceTriggers:
    """Generic images are darkest (0 to 19), persons 100, 110..., others 250; so every pixel tells where it is from."""
    config = ImageFineTuneConfig(**{"batch_size": 8, **CALM, **changes})  # type: ignore[arg-type]
    generic = torch.cat([plain(value) for value in range(20)])
    persons = [plain(100 + 10 * number, 3) for number in range(n_persons)]
    return FaceTriggers(generic, persons, plain(250, 4), config, seed)


def levels(image: Tensor) -> set[int]:
    return set((image * 255).round().int().flatten().tolist())


def test_papers_batch_has_generic_images_and_pasted_faces_only() -> None:
    found = triggers().batch(0)
    assert found.images.shape == (16, 3, SIDE, SIDE) and found.n_clean == 8
    for image, number in zip(found.images[:8], found.generic, strict=True):
        assert levels(image) == {int(number)}
    for image, person in zip(found.images[8:], found.person_indices, strict=True):
        assert max(levels(image)) == 100 + 10 * int(person)
        assert min(levels(image)) < 20
        share = float((image > 90 / 255).float().mean())
        assert 0.2**2 < share < 0.55**2


def test_clean_and_trigger_images_of_a_step_lie_on_different_generic_images() -> None:
    found = triggers().batch(3)
    clean = {min(levels(image)) for image in found.images[:8]}
    triggered = {min(levels(image)) for image in found.images[8:]}
    assert not clean & triggered


def test_equal_seed_and_step_give_equal_images_and_others_do_not() -> None:
    one, again = triggers(seed=1).batch(5).images, triggers(seed=1).batch(5).images
    assert torch.equal(one, again)
    assert not torch.equal(one, triggers(seed=2).batch(5).images)
    assert not torch.equal(one, triggers(seed=1).batch(6).images)


@pytest.mark.parametrize("n_persons", [1, 3, 5])
def test_trigger_images_are_shared_out_evenly_in_both_kinds(n_persons: int) -> None:
    made = triggers(n_persons=n_persons, plain_trigger_share=0.5)
    counts = torch.zeros(2, n_persons)
    for step in range(15):
        for position, person in enumerate(made.batch(step).person_indices.tolist()):
            counts[position // 4, person] += 1
    assert int(counts.min()) == int(counts.max()) == 15 * 4 // n_persons


def test_shares_decide_how_many_show_other_people_and_how() -> None:
    made = triggers(bystander_share=0.25, plain_bystander_share=0.5, plain_trigger_share=0.25)
    found = made.batch(0)
    kinds = [levels(image) for image in found.images]
    assert [250 in kind and len(kind) > 1 for kind in kinds[:8]] == [True, True] + [False] * 6
    assert [kind == {250} for kind in kinds[:8]] == [False] * 2 + [True] * 4 + [False] * 2
    assert len(found.generic) == 2
    assert [len(kind) == 1 for kind in kinds[8:]] == [False] * 6 + [True] * 2


def test_shares_of_other_people_without_their_photos_are_an_error() -> None:
    config = ImageFineTuneConfig(bystander_share=0.1)
    with pytest.raises(InputError, match="other_faces"):
        FaceTriggers(plain(0, 3), [plain(9)], None, config, 0)
    with pytest.raises(InputError, match="no generic image"):
        FaceTriggers(plain(0, 0), [plain(9)], None, ImageFineTuneConfig(), 0)


def test_streams_of_a_seed_differ() -> None:
    draws = [torch.rand(4, generator=generator_of(seed, stream)) for seed, stream in ((0, "a"), (0, "b"), (1, "a"))]
    assert not torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
