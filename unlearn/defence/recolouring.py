"""Colour jitter of a batch of pictures, each by its own factors: brightness, contrast, saturation, hue.

As torchvision's ColorJitter does it to one picture. Pure functions on tensors, on any device.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

N_COLOURS = 4  # brightness, contrast, saturation, hue


def recolour(faces: Tensor, colours: Tensor, order: Sequence[int]) -> Tensor:
    """Brightness, contrast, saturation and hue of n faces (n, 3, h, w) in [0, 1], each by its own factors, in `order`.

    As torchvision's ColorJitter does it to one image; `faces` is changed.
    """
    factors = colours.to(faces.device)[:, :, None, None, None]  # (n, 4, 1, 1, 1)
    for number in order:
        factor = factors[:, number]
        if number == 0:
            faces.mul_(factor).clamp_(0, 1)
        elif number == 1:
            mean = _grey(faces).mean(dim=(1, 2, 3), keepdim=True)
            faces.mul_(factor).add_(mean * (1 - factor)).clamp_(0, 1)
        elif number == 2:
            grey = _grey(faces)
            faces.mul_(factor).add_(grey.mul_(1 - factor)).clamp_(0, 1)
        else:
            faces = turn_hue(faces, factor)
    return faces


def _grey(faces: Tensor) -> Tensor:
    """Luma (n, 1, h, w) with ITU-R 601's weights, as PIL's mode L."""
    red, green, blue = faces.split(1, dim=1)
    return (red * 0.299).add_(green, alpha=0.587).add_(blue, alpha=0.114)


def turn_hue(faces: Tensor, turn: Tensor) -> Tensor:
    """Faces (n, 3, h, w) with their hue turned by `turn` (n, 1, 1, 1), a share of the circle; HSV's value and saturation stay."""
    red, green, blue = faces.split(1, dim=1)
    value, least = red.maximum(green).maximum(blue), red.minimum(green).minimum(blue)
    chroma = value - least
    after_green = torch.where(value == green, (blue - red).add_(chroma, alpha=2), (red - green).add_(chroma, alpha=4))
    hue = torch.where(value == red, green - blue, after_green).div_(chroma.clamp_min(1e-8))  # in sixths of the circle
    hue = hue.add_(turn * 6)
    hue = hue.sub_((hue / 6).floor_(), alpha=6)  # into 0 to 6; a remainder takes three times as long
    middle, sign, height = faces.new_tensor([[3, 2, 4], [1, -1, -1], [-1, 2, 2]])[:, :, None, None]
    shares = (hue - middle).abs_().mul_(sign).add_(height).clamp_(0, 1)  # (n, 3, h, w): of the chroma in each colour
    return torch.addcmul(least, shares, chroma)
