"""Puts faces into images: resized, flipped, turned, recoloured, pasted wholly inside, in batches on tensors.

Works on the device where the pictures are.
Source: Hintersdorf et al. 2024, section 5 and figure 13.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from unlearn.config import ImageFineTuneConfig
from unlearn.defence.recolouring import N_COLOURS, recolour
from unlearn.errors import InputError

HOST_CHUNK = 8  # faces worked on together on a CPU: as many as its cache holds
LEVEL_STEP = 2**0.5  # between the sizes at which crops are kept


@dataclass(frozen=True)
class Placements:
    """How n faces are changed and where they are put; all (n,), on the CPU.

    Attributes:
        side: of the face in px, before it is turned.
        angle: degrees, counter-clockwise.
        box: side in px of the upright square that holds the turned face.
        left, top: of that square within the image, in px; may be negative where a turned face does not fit.
        is_flipped: mirrored left to right, before it is turned.
        colours: (n, 4) factors of brightness, contrast and saturation, and the turn of the hue as a share of the circle.
        order: in which the four colour changes are made.
    """

    side: Tensor
    angle: Tensor
    box: Tensor
    left: Tensor
    top: Tensor
    is_flipped: Tensor
    colours: Tensor
    order: tuple[int, ...]


def picked(pictures: Tensor, numbers: Tensor) -> Tensor:
    """The pictures uint8 (all, 3, h, w) with these n numbers, as values in [0, 1] (n, 3, h, w), on their device."""
    rows = numbers.to(pictures.device)
    values = torch.empty(len(numbers), *pictures.shape[1:], device=pictures.device)
    chunk = HOST_CHUNK if pictures.device.type == "cpu" else max(1, len(numbers))
    for chunk_rows, out in zip(rows.split(chunk), values.split(chunk), strict=True):
        out.copy_(pictures.index_select(0, chunk_rows)).div_(255)
    return values


class FaceStock:
    """Face crops of several persons, at the size of the image and at the sizes that are pasted.

    Args:
        persons: a tensor uint8 (crops, 3, side, side) each, on any device.
        sides: least and greatest side of a pasted face, in px. Crops are kept at a few sizes in this range, made with
            antialiasing, so that plain bilinear sampling never shrinks one by more than about 1.4.
    """

    def __init__(self, persons: Sequence[Tensor], sides: tuple[int, int]) -> None:
        if not persons or any(not len(crops) for crops in persons):
            raise InputError("A person has no face crop; give at least one each.")
        self.counts = torch.tensor([len(crops) for crops in persons])
        self.first = self.counts.cumsum(0) - self.counts
        self.whole = torch.cat(list(persons))
        sizes = [sides[1]]
        while sizes[-1] > sides[0]:
            sizes.append(max(sides[0], math.ceil(sizes[-1] / LEVEL_STEP)))
        self._levels = {size: _resized(self.whole, size) for size in reversed(sizes)}

    def draw(self, persons: Tensor, generator: torch.Generator) -> Tensor:
        """The number of a crop for each of n persons."""
        share = torch.rand(len(persons), generator=generator, dtype=torch.float64)
        return self.first[persons] + (share * self.counts[persons]).long()

    def pixels(self, crops: Tensor, side: float) -> Tensor:
        """Crops (n, 3, kept, kept) in [0, 1], kept at the least size that is not below `side` px."""
        size = next((size for size in self._levels if size >= side), max(self._levels))
        return picked(self._levels[size], crops)


def _resized(pixels: Tensor, side: int) -> Tensor:
    """uint8 (n, 3, side, side)."""
    resized = functional.interpolate(pixels.float(), (side, side), mode="bicubic", antialias=True)
    return resized.round_().clamp_(0, 255).to(torch.uint8)


def draw_placements(n: int, image_size: int, config: ImageFineTuneConfig, generator: torch.Generator) -> Placements:
    """Sizes, angles, places and colours of n faces.

    Sides are whole px between the least and the greatest share of the image's side. Angles, factors and places are uniform within
    their ranges. The turned face lies wholly inside the image; where it is too large for that, it is centred.
    """

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n, generator=generator, dtype=torch.float64)

    low, high = (round(share * image_size) for share in config.face_share)
    side = uniform(low, high + 1).floor().clamp_(low, high)
    angle = uniform(-config.rotation_degrees, config.rotation_degrees)
    radians = angle * math.pi / 180
    box = (side * (radians.cos().abs() + radians.sin().abs()) - 1e-9).ceil()
    room = image_size - box
    left, top = ((uniform(0, 1) * (room + 1)).floor().clamp_(max=room.clamp(min=0)) for _ in range(2))
    left, top = (torch.where(room < 0, room / 2, at) for at in (left, top))
    flipped = torch.rand(n, generator=generator) < 0.5
    jitter = config.color_jitter
    factors = [uniform(1 - jitter, 1 + jitter) for _ in range(3)] + [uniform(-config.hue_jitter, config.hue_jitter)]
    order = tuple(torch.randperm(N_COLOURS, generator=generator).tolist())
    return Placements(side, angle, box, left, top, flipped, torch.stack(factors, dim=1).float(), order)


def paste(images: Tensor, stock: FaceStock, crops: Tensor, placed: Placements) -> None:
    """Recolour, resize, flip and turn faces and put them into the images, in place.

    Args:
        images: (n, 3, side, side) in [0, 1].
        stock: whose crops are meant.
        crops: n numbers of crops.
        placed: n placements.

    At the edge of a face, image and face are mixed by the covered part of the pixel.
    """
    if images.device.type != "cpu":
        _paste_chunk(images, torch.arange(len(images)), stock, crops, placed)
        return
    for rows in placed.box.argsort(stable=True).split(HOST_CHUNK):  # faces of similar size share a small window
        _paste_chunk(images, rows, stock, crops[rows], _rows(placed, rows))


def _paste_chunk(images: Tensor, rows: Tensor, stock: FaceStock, crops: Tensor, placed: Placements) -> None:
    size = images.shape[-1]
    faces = stock.pixels(crops, float(placed.side.max()))
    coloured = recolour(faces, placed.colours, placed.order)
    on_host = images.device.type == "cpu"
    window = min(size, int(placed.box.max())) if on_host else size  # one kernel for all is cheaper on a GPU
    corners = [at.clamp(0, size - window).floor() for at in (placed.left, placed.top)]
    grid, cover = _grid(placed, corners, window, images.device)
    turned = functional.grid_sample(coloured, grid, mode="bilinear", padding_mode="border", align_corners=False)
    if not on_host:
        images.lerp_(turned, cover[:, None])
        return
    places = zip(rows.tolist(), *(at.int().tolist() for at in corners), strict=True)
    for number, (row, x, y) in enumerate(places):
        images[row, :, y : y + window, x : x + window].lerp_(turned[number], cover[number])


def _rows(placed: Placements, rows: Tensor) -> Placements:
    values: dict[str, Any] = {field.name: getattr(placed, field.name) for field in fields(placed)}
    values |= {name: value[rows] for name, value in values.items() if isinstance(value, Tensor)}
    return Placements(**values)


def fill_with(images: Tensor, stock: FaceStock, crops: Tensor, placed: Placements) -> None:
    """Replace whole images by the crops, flipped and recoloured; arguments as of `paste`."""
    all_rows = torch.arange(len(images))
    for rows in all_rows.split(HOST_CHUNK if images.device.type == "cpu" else len(images)):
        chunk = _rows(placed, rows)
        faces = recolour(picked(stock.whole, crops[rows]), chunk.colours, chunk.order)
        mirrored = chunk.is_flipped.to(images.device)[:, None, None, None]
        images[rows.to(images.device)] = torch.where(mirrored, faces.flip(3), faces)


def _grid(
    placed: Placements, corners: Sequence[Tensor], window: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Where each pixel of n windows comes from in its face (n, window, window, 2), -1 to 1, and its cover (n, window, window)."""
    radians = placed.angle * math.pi / 180
    scale = 2 / placed.side
    cos, sin = radians.cos() * scale, radians.sin() * scale
    mirror = 1 - 2 * placed.is_flipped.double()
    pixels = torch.arange(window, dtype=torch.float64) + 0.5
    middles = (placed.left + placed.box / 2, placed.top + placed.box / 2)
    x, y = (corner[:, None] + pixels - middle[:, None] for corner, middle in zip(corners, middles, strict=True))
    across = (mirror * cos)[:, None] * x, (-mirror * sin)[:, None] * y  # u = x cos - y sin, v = x sin + y cos
    down = sin[:, None] * x, cos[:, None] * y
    (ux, uy), (vx, vy) = ([part.float().to(device) for part in parts] for parts in (across, down))
    grid = torch.empty(len(x), window, window, 2, device=device)
    torch.add(ux[:, None, :], uy[:, :, None], out=grid[..., 0])
    torch.add(vx[:, None, :], vy[:, :, None], out=grid[..., 1])
    half = (placed.side / 2).float().to(device)[:, None, None]
    outermost = grid.abs().amax(dim=3)  # of a square both ways; at corners the two covers would be multiplied
    cover = outermost.neg_().add_(1).mul_(half).add_(0.5).clamp_(0, 1)
    return grid, cover
