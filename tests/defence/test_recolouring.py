"""The batched colour jitter against torchvision's and PIL's, one picture at a time."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as one_by_one

from unlearn.bench.oracle_images import turn_hue as turn_hue_of_one
from unlearn.defence.recolouring import recolour, turn_hue


@pytest.fixture
def faces() -> Tensor:
    smooth = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(smooth, (40, 40), mode="bilinear").round(decimals=3)


@pytest.mark.parametrize(
    ("number", "name"), [(0, "adjust_brightness"), (1, "adjust_contrast"), (2, "adjust_saturation"), (3, "adjust_hue")]
)
def test_each_change_equals_that_of_torchvision(faces: Tensor, number: int, name: str) -> None:
    factors = [0.5, 0.8, 1.0, 1.2, 1.4, 1.5] if number < 3 else [-0.5, -0.1, 0.0, 0.05, 0.1, 0.5]
    colours = torch.tensor([[1.0, 1.0, 1.0, 0.0]] * 6)
    colours[:, number] = torch.tensor(factors)
    expected = torch.stack([getattr(one_by_one, name)(face, factor) for face, factor in zip(faces, factors, strict=True)])
    found = recolour(faces.clone(), colours, (number,))
    # torchvision rounds 0.299, 0.587, 0.114 to 0.2989, 0.587, 0.114 for luma
    assert torch.allclose(found, expected, atol=1e-3)


def test_neutral_factors_change_nothing(faces: Tensor) -> None:
    colours = torch.tensor([[1.0, 1.0, 1.0, 0.0]] * 6)
    assert torch.allclose(recolour(faces.clone(), colours, (3, 1, 0, 2)), faces, atol=1e-5)


def test_hue_of_grey_and_black_stays(faces: Tensor) -> None:
    grey = faces[:, :1].expand(-1, 3, -1, -1) * torch.tensor([0.0, 1.0, 0.5, 0.2, 0.7, 0.9])[:, None, None, None]
    turned = turn_hue(grey.contiguous(), torch.full((6, 1, 1, 1), 0.3))
    assert torch.allclose(turned, grey, atol=1e-6)


def test_hue_agrees_with_pil_up_to_its_eight_bits(faces: Tensor) -> None:
    picture = (faces[0] * 255).round().byte()
    expected = turn_hue_of_one(Image.fromarray(picture.permute(1, 2, 0).numpy()), 0.08)
    found = turn_hue(picture[None] / 255, torch.full((1, 1, 1, 1), 0.08))[0] * 255
    difference = (found - torch.from_numpy(np.array(expected)).permute(2, 0, 1)).abs()
    assert difference.mean() < 3
