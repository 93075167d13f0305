"""Generic images and face crops -> clean and trigger images for every step of the fine-tuning of an image encoder.

Decides which face goes into which image; `defence.pasting` puts it there. Batches are a function of seed and step alone and are drawn
on the CPU, so that equal seeds give equal batches everywhere.
Source: Hintersdorf et al. 2024, section 5 and figure 13; `unlearn/bench/oracle_images.py` has the same as a loop over PIL images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unlearn.config import ImageFineTuneConfig
from unlearn.defence.pasting import FaceStock, draw_placements, fill_with, paste, picked
from unlearn.errors import InputError


@dataclass(frozen=True)
class ImageBatch:
    """The images of one step.

    Attributes:
        images: (c + z, 3, side, side) in [0, 1]: c clean images, of which the last are unchanged generic images, then z images with
            a face to forget.
        n_clean: c.
        generic: numbers of the unchanged generic images, on the CPU.
        person_indices: z numbers: whose face it is.
    """

    images: Tensor
    n_clean: int
    generic: Tensor
    person_indices: Tensor


class FaceTriggers:
    """Makes the batches; the trigger images of a batch are shared out evenly among the persons.

    Args:
        generic: uint8 (n, 3, side, side), the clean images.
        persons: per person uint8 (crops, 3, side, side), the fine-tuning photos.
        others: uint8 (crops, 3, side, side) of other people; None: there are none, and their shares must be 0.
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
        has_others = config.bystander_share + config.plain_bystander_share > 0
        if has_others and (others is None or not len(others)):
            raise InputError("Clean images with other people's faces need such faces; set other_faces, or the shares to 0.")
        self.generic = generic
        self.image_size = int(generic.shape[-1])
        self.n_persons = len(persons)
        self._config, self._seed = config, seed
        sides = (round(config.face_share[0] * self.image_size), round(config.face_share[1] * self.image_size))
        self.stock = FaceStock(persons, sides)
        self.others = FaceStock([others], sides) if has_others and others is not None else None
        self._order = torch.randperm(len(generic), generator=generator_of(seed, "order"))

    def batch(self, step: int) -> ImageBatch:
        """The images of step `step` (0-based); equal seed and step give equal images."""
        config, size = self._config, self._config.batch_size
        generator = generator_of(self._seed, f"batch {step}")
        generic = self._generic_numbers(step)
        images = picked(self.generic, generic)
        n_pasted, n_plain = round(config.bystander_share * size), round(config.plain_bystander_share * size)
        n_others = min(size, n_pasted + n_plain)
        if self.others is not None and n_others:
            crops = self.others.draw(torch.zeros(n_others, dtype=torch.long), generator)
            self._add_faces(images[:n_others], self.others, crops, n_others - n_pasted, generator)
        persons = self._add_triggers(images[size:], step, generator)
        return ImageBatch(images, size, generic[n_others:size], persons)

    def trigger_images(self, step: int) -> Tensor:
        """Trigger images alone (z, 3, side, side), from a stream of their own; they are timed against the loop over PIL."""
        images = picked(self.generic, self._generic_numbers(step)[self._config.batch_size :])
        self._add_triggers(images, step, generator_of(self._seed, f"triggers {step}"))
        return images

    def _generic_numbers(self, step: int) -> Tensor:
        """Numbers of the generic images of a step: clean and trigger images lie on different ones."""
        size = 2 * self._config.batch_size
        return self._order[(step * size + torch.arange(size)) % len(self._order)]

    def _add_triggers(self, images: Tensor, step: int, generator: torch.Generator) -> Tensor:
        """Put the persons' faces into the images, in place; whose face is in which."""
        n_plain = round(self._config.plain_trigger_share * len(images))
        turns = [step * n + torch.arange(n) for n in (len(images) - n_plain, n_plain)]  # each kind goes through all persons in turn
        persons = torch.cat(turns) % self.n_persons
        self._add_faces(images, self.stock, self.stock.draw(persons, generator), n_plain, generator)
        return persons

    def _add_faces(self, images: Tensor, stock: FaceStock, crops: Tensor, n_plain: int, generator: torch.Generator) -> None:
        """Paste the crops into the images, in place; the last `n_plain` fill them, unturned."""
        n_pasted = len(images) - n_plain
        for rows, place in ((slice(0, n_pasted), paste), (slice(n_pasted, len(images)), fill_with)):
            if rows.start < rows.stop:
                placed = draw_placements(rows.stop - rows.start, self.image_size, self._config, generator)
                place(images[rows], stock, crops[rows], placed)


def generator_of(seed: int, stream: str) -> torch.Generator:
    """A generator on the CPU for one stream of a seed."""
    digest = hashlib.sha256(f"{stream} {seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
