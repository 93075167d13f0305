"""Faces in images: the same distribution of sizes, angles and places as the paper's loop over PIL images, and its pixels."""

import math
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from unlearn.bench import oracle_images
from unlearn.config import ImageFineTuneConfig
from unlearn.defence.face_triggers import generator_of
from unlearn.defence.pasting import FaceStock, Placements, draw_placements, fill_with, paste
from unlearn.errors import InputError

PAPER = ImageFineTuneConfig()
SIDE = 224


def placed(**changes: object) -> Placements:
    """One face in the middle, unturned, with its own colours."""
    values: dict[str, object] = {
        "side": 100, "angle": 0, "box": 100, "left": 62, "top": 62, "is_flipped": False,
    } | changes  # fmt: skip
    tensors = {name: torch.tensor([value], dtype=torch.bool if name == "is_flipped" else torch.float64) for name, value in values.items()}
    return Placements(**tensors, colours=torch.tensor([[1.0, 1.0, 1.0, 0.0]]), order=(0, 1, 2, 3))  # type: ignore[arg-type]


def stock_of(face: Tensor) -> FaceStock:
    return FaceStock([face[None]], (56, 112))


def smooth_face() -> Tensor:
    small = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    return (torch.nn.functional.interpolate(small, (SIDE, SIDE), mode="bicubic").clamp(0, 1)[0] * 255).byte()


def ks_distance(first: Tensor, second: Tensor) -> float:
    """Greatest difference of two empirical distribution functions (Kolmogorov and Smirnov)."""
    points = torch.cat([first, second]).sort().values
    shares = [torch.searchsorted(sample.sort().values, points, right=True) / len(sample) for sample in (first, second)]
    return float((shares[0] - shares[1]).abs().max())


@pytest.fixture(scope="module")
def drawn() -> tuple[Placements, list[oracle_images.Pasted]]:
    ours = draw_placements(4000, SIDE, PAPER, generator_of(0, "test"))
    rng = random.Random(0)
    generic, face = Image.new("RGB", (SIDE, SIDE)), Image.new("RGB", (60, 60), (200, 100, 50))
    return ours, [oracle_images.paste_face(generic, face, rng, PAPER) for _ in range(1500)]


def test_sizes_angles_and_places_have_the_distribution_of_the_papers_loop(
    drawn: tuple[Placements, list[oracle_images.Pasted]],
) -> None:
    ours, theirs = drawn
    limit = 1.95 * math.sqrt((4000 + 1500) / (4000 * 1500))  # chance of being beyond it: 0.001
    assert ks_distance(ours.side, torch.tensor([float(one.side) for one in theirs])) < limit
    assert ks_distance(ours.angle, torch.tensor([one.angle for one in theirs], dtype=torch.float64)) < limit
    for name in ("left", "top"):
        assert ks_distance(getattr(ours, name), torch.tensor([float(getattr(one, name)) for one in theirs])) < limit
    assert abs(float(ours.is_flipped.float().mean()) - 0.5) < 0.03


def test_other_ranges_are_told_apart(drawn: tuple[Placements, list[oracle_images.Pasted]]) -> None:
    """The control of the test above: it would notice sizes to 100 px instead of 112."""
    other = draw_placements(4000, SIDE, replace(PAPER, face_share=(0.25, 100 / SIDE)), generator_of(0, "test"))
    sides = torch.tensor([float(one.side) for one in drawn[1]])
    assert ks_distance(other.side, sides) > 1.95 * math.sqrt((4000 + 1500) / (4000 * 1500))


def test_boxes_are_those_of_pil_and_lie_wholly_inside(drawn: tuple[Placements, list[oracle_images.Pasted]]) -> None:
    ours, theirs = drawn
    for one in theirs[:300]:
        radians = math.radians(one.angle)
        box = math.ceil(one.side * (abs(math.cos(radians)) + abs(math.sin(radians))) - 1e-9)
        assert abs(box - one.box[0]) <= 1
    assert bool((ours.left >= 0).all()) and bool((ours.left + ours.box <= SIDE).all())
    assert bool((ours.top >= 0).all()) and bool((ours.top + ours.box <= SIDE).all())
    assert bool((ours.side >= 56).all()) and bool((ours.side <= 112).all())


@pytest.mark.parametrize("angle", [0.0, 30.0, -30.0, 12.0])
@pytest.mark.parametrize("is_flipped", [False, True])
def test_pixels_are_those_of_pil(angle: float, is_flipped: bool) -> None:
    face = smooth_face()
    picture = Image.fromarray(face.permute(1, 2, 0).numpy()).resize((100, 100), Image.Resampling.BICUBIC)
    if is_flipped:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    mask = Image.new("L", picture.size, 255).rotate(angle, Image.Resampling.BILINEAR, expand=True)
    turned = picture.rotate(angle, Image.Resampling.BILINEAR, expand=True)
    expected = Image.new("RGB", (SIDE, SIDE), (10, 200, 90))
    expected.paste(turned, (20, 30), mask)
    images = (torch.tensor([10, 200, 90.0]) / 255)[None, :, None, None].expand(1, 3, SIDE, SIDE).clone()
    where = placed(angle=angle, box=turned.width, left=20, top=30, is_flipped=is_flipped)
    paste(images, stock_of(face), torch.tensor([0]), where)
    difference = (images[0] * 255 - torch.from_numpy(np.array(expected)).permute(2, 0, 1)).abs()
    assert float(difference.mean()) < 0.6  # grey levels; edges are mixed a little differently
    assert float((difference.amax(dim=0) > 12).float().mean()) < 0.02


def test_what_lies_outside_the_face_stays() -> None:
    images = torch.rand(1, 3, SIDE, SIDE)
    before = images.clone()
    paste(images, stock_of(smooth_face()), torch.tensor([0]), placed())
    assert torch.equal(images[:, :, :60], before[:, :, :60]) and torch.equal(images[..., 164:], before[..., 164:])
    assert not torch.allclose(images[:, :, 70:150, 70:150], before[:, :, 70:150, 70:150])


def test_chunks_and_one_batch_give_the_same_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    from unlearn.defence import pasting

    crops = torch.stack([smooth_face(), smooth_face().flip(1)])
    stock = FaceStock([crops], (56, 112))
    where = draw_placements(20, SIDE, PAPER, generator_of(3, "test"))
    numbers = torch.arange(20) % 2
    results = []
    for size in (1, 7, 20):
        monkeypatch.setattr(pasting, "HOST_CHUNK", size)
        results.append(torch.zeros(20, 3, SIDE, SIDE))
        paste(results[-1], stock, numbers, where)
    assert float((results[0] - results[1]).abs().mean()) < 2e-3  # crops of neighbouring kept sizes differ a little
    assert float((results[0] - results[2]).abs().mean()) < 4e-3


def test_turned_face_that_cannot_fit_keeps_its_middle() -> None:
    config = replace(PAPER, face_share=(1.0, 1.0))
    where = draw_placements(50, 64, config, generator_of(0, "test"))
    assert torch.allclose(where.left + where.box / 2, torch.full((50,), 32.0, dtype=torch.float64))
    images = torch.zeros(50, 3, 64, 64)
    paste(images, FaceStock([torch.full((1, 3, 64, 64), 255, dtype=torch.uint8)], (64, 64)), torch.zeros(50, dtype=torch.long), where)
    assert bool((images[:, :, 32, 32] > 0.3).all())


def test_whole_picture_is_replaced_and_mirrored() -> None:
    face = smooth_face()
    images = torch.zeros(2, 3, SIDE, SIDE)
    one = placed()
    both = replace(
        one, **{name: torch.cat([getattr(one, name)] * 2) for name in ("side", "angle", "box", "left", "top", "colours")},
        is_flipped=torch.tensor([False, True]),
    )  # fmt: skip
    fill_with(images, FaceStock([face[None]], (56, 112)), torch.tensor([0, 0]), both)
    assert torch.allclose(images[0], face / 255, atol=1e-5)
    assert torch.allclose(images[1], face.flip(2) / 255, atol=1e-5)


def test_stock_draws_only_crops_of_the_person() -> None:
    stock = FaceStock([torch.zeros(3, 3, 64, 64, dtype=torch.uint8), torch.zeros(5, 3, 64, 64, dtype=torch.uint8)], (16, 32))
    persons = torch.arange(400) % 2
    crops = stock.draw(persons, generator_of(0, "test"))
    assert set(crops[persons == 0].tolist()) == {0, 1, 2}
    assert set(crops[persons == 1].tolist()) == {3, 4, 5, 6, 7}


def test_person_without_crop_is_an_error() -> None:
    with pytest.raises(InputError, match="no face crop"):
        FaceStock([torch.zeros(0, 3, 64, 64, dtype=torch.uint8)], (16, 32))


def test_whole_making_runs_on_the_meta_device() -> None:
    """No tensor is left on the CPU: a mixed operation would fail."""
    where = draw_placements(4, SIDE, PAPER, generator_of(0, "test"))
    stock = FaceStock([torch.zeros(3, 3, SIDE, SIDE, dtype=torch.uint8, device="meta")], (56, 112))
    images = torch.zeros(4, 3, SIDE, SIDE, device="meta")
    paste(images, stock, torch.tensor([0, 1, 2, 0]), where)
    fill_with(images, stock, torch.tensor([0, 1, 2, 0]), where)
    assert images.shape == (4, 3, SIDE, SIDE)
