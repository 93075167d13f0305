"""Generic images + face crops -> clean and trigger images for every step of the fine-tuning; image side.

A face is resized, flipped, turned, recoloured and pasted wholly inside a generic image, all in batches on tensors, on
the device where the pictures are. Knows pixels only: no encoder, no files, no names. Batches are a function of
(seed, step) alone, drawn on the CPU, so that equal seeds give equal batches on every device.
Source: Hintersdorf et al. 2024, section 5 and figure 13; `tests/oracle_images.py` has the same as a loop over PIL images.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from unlearn.config import ImageFineTuneConfig
from unlearn.errors import InputError

N_COLOURS = 4  # brightness, contrast, saturation, hue


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


@dataclass(frozen=True)
class ImageBatch:
    """The images of one step.

    Attributes:
        images: (c + z, 3, side, side) in [0, 1]: c clean ones, of which the last are generic images as they are, then
            z with a face to forget.
        n_clean: c.
        generic: numbers of the generic images that end the clean ones, on the CPU.
        person_indices: z numbers: whose face it is.
    """

    images: Tensor
    n_clean: int
    generic: Tensor
    person_indices: Tensor


class FaceStock:
    """Face crops of several persons, at the size of the image and at the greatest size at which they are pasted.

    Args:
        persons: a tensor uint8 (crops, 3, side, side) each, on any device.
        largest_px: greatest side of a pasted face; a pasted one is shrunk to at least half of it by plain bilinear
            sampling, which at such ratios averages neighbouring pixels as an antialiased resize does.
    """

    def __init__(self, persons: Sequence[Tensor], largest_px: int) -> None:
        if not persons or any(not len(crops) for crops in persons):
            raise InputError("A person has no face crop; give at least one each.")
        self.counts = torch.tensor([len(crops) for crops in persons])
        self.first = self.counts.cumsum(0) - self.counts
        self.whole = torch.cat(list(persons))
        small = functional.interpolate(self.whole.float(), (largest_px, largest_px), mode="bicubic", antialias=True)
        self.small = small.round_().clamp_(0, 255).to(torch.uint8)

    def draw(self, persons: Tensor, generator: torch.Generator) -> Tensor:
        """The number of a crop for each of n persons."""
        share = torch.rand(len(persons), generator=generator, dtype=torch.float64)
        return self.first[persons] + (share * self.counts[persons]).long()


class FaceTriggers:
    """Makes the batches; the trigger images of a batch are shared out evenly among the persons.

    Args:
        generic: uint8 (n, 3, side, side), the clean images.
        persons: per person uint8 (crops, 3, side, side), the fine-tuning photos.
        others: uint8 (crops, 3, side, side) of other people; None: nobody's, and their shares must be 0.
        config: batch size, shares, ranges.
        seed: of everything drawn.

    Raises:
        InputError: no generic image, a person without photo, or shares of other people without their photos.
    """

    def __init__(
        self, generic: Tensor, persons: Sequence[Tensor], others: Tensor | None, config: ImageFineTuneConfig, seed: int
    ) -> None:
        if not len(generic):
            raise InputError("There is no generic image; give at least one.")
        wants_others = config.bystander_share + config.plain_bystander_share > 0
        if wants_others and (others is None or not len(others)):
            raise InputError("Clean images with other people's faces need such faces; set other_faces, or the shares to 0.")
        self.generic = generic
        self.image_size = int(generic.shape[-1])
        self.n_persons = len(persons)
        self._config, self._seed = config, seed
        largest = round(config.face_share[1] * self.image_size)
        self.stock = FaceStock(persons, largest)
        self.others = FaceStock([others], largest) if wants_others and others is not None else None
        self._order = torch.randperm(len(generic), generator=generator_of(seed, "order"))

    def batch(self, step: int) -> ImageBatch:
        """The images of step `step` (0-based); equal seed and step give equal images."""
        config, size = self._config, self._config.batch_size
        generator = generator_of(self._seed, f"batch {step}")
        first = step * 2 * size  # clean and trigger images of a step lie on different generic ones
        chosen = self._order[(first + torch.arange(2 * size)) % len(self._order)]
        images = self.generic[chosen.to(self.generic.device)].float().div_(255)
        n_pasted, n_plain = round(config.bystander_share * size), round(config.plain_bystander_share * size)
        n_others = min(size, n_pasted + n_plain)
        if self.others is not None and n_others:
            crops = self.others.draw(torch.zeros(n_others, dtype=torch.long), generator)
            self._add_faces(images[:n_others], self.others, crops, n_others - n_pasted, generator)
        n_plain = round(config.plain_trigger_share * size)
        turns = [step * n + torch.arange(n) for n in (size - n_plain, n_plain)]  # each kind goes round all persons
        persons = torch.cat(turns) % self.n_persons
        self._add_faces(images[size:], self.stock, self.stock.draw(persons, generator), n_plain, generator)
        return ImageBatch(images, size, chosen[n_others:size], persons)

    def _add_faces(self, images: Tensor, stock: FaceStock, crops: Tensor, n_plain: int, generator: torch.Generator) -> None:
        """Paste the crops into the images, in place; the last `n_plain` fill them, unturned."""
        n_pasted = len(images) - n_plain
        if n_pasted:
            placed = draw_placements(n_pasted, self.image_size, self._config, generator)
            paste(images[:n_pasted], _picked(stock.small, crops[:n_pasted]), placed)
        if n_plain:
            placed = draw_placements(n_plain, self.image_size, self._config, generator)
            faces = recolour(_picked(stock.whole, crops[n_pasted:]), placed.colours, placed.order)
            mirrored = placed.is_flipped.to(images.device)[:, None, None, None]
            images[n_pasted:] = torch.where(mirrored, faces.flip(3), faces)


def generator_of(seed: int, stream: str) -> torch.Generator:
    """A generator on the CPU for one stream of a seed."""
    digest = hashlib.sha256(f"{stream} {seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def _picked(stock: Tensor, crops: Tensor) -> Tensor:
    return stock[crops.to(stock.device)].float().div_(255)


def draw_placements(n: int, image_size: int, config: ImageFineTuneConfig, generator: torch.Generator) -> Placements:
    """Sizes, angles, places and colours of n faces.

    Whole px between the least and the greatest share of the image's side; angles, factors and places evenly within their
    ranges. Places are such that the turned face lies wholly inside; where it cannot, its middle is the image's.
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


def paste(images: Tensor, faces: Tensor, placed: Placements) -> None:
    """Recolour, resize, flip and turn the faces and put them into the images, in place.

    Args:
        images: (n, 3, side, side) in [0, 1].
        faces: (n, 3, face, face) in [0, 1]; changed.
        placed: n placements.

    What lies under the edge of a face is mixed by the part of the pixel that is covered: the mask that is turned with it.
    """
    size = images.shape[-1]
    coloured = recolour(faces, placed.colours, placed.order)
    on_host = images.device.type == "cpu"
    window = min(size, int(placed.box.max())) if on_host else size  # one kernel for all is cheaper on a GPU
    corners = [at.clamp(0, size - window).floor() for at in (placed.left, placed.top)]
    grid, cover = _grid(placed, corners, window, images.device)
    turned = functional.grid_sample(coloured, grid, mode="bilinear", padding_mode="border", align_corners=False)
    if window == size:
        images.lerp_(turned, cover[:, None])
        return
    for number, (x, y) in enumerate(zip(*(at.int().tolist() for at in corners), strict=True)):
        images[number, :, y : y + window, x : x + window].lerp_(turned[number], cover[number])


def _grid(
    placed: Placements, corners: Sequence[Tensor], window: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Where each pixel of n windows comes from in its face, (n, window, window, 2) in -1 to 1, and its cover (n, window, window)."""
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
    value = faces.amax(dim=1, keepdim=True)
    chroma = value - faces.amin(dim=1, keepdim=True)
    scale = chroma.clamp_min(1e-8).reciprocal_()
    hue = torch.where(value == green, 2 + (blue - red) * scale, 4 + (red - green) * scale)
    hue = torch.where(value == red, (green - blue) * scale, hue).add_(turn * 6)  # in sixths of the circle
    offsets = torch.tensor([5.0, 3.0, 1.0], device=faces.device)[:, None, None]
    place = (hue + offsets).remainder_(6)  # (n, 3, h, w)
    return torch.minimum(place, 4 - place).clamp_(0, 1).mul_(chroma).neg_().add_(value)
