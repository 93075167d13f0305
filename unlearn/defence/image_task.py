"""The task of forgetting faces: image batches, one target for all faces or one for each, and the early stop.

Connects `face_triggers` (pixels) with the loop in `defence.loop`. The teacher's embeddings of the generic images never change and are
computed once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from unlearn.config import EarlyStop, ImageFineTuneConfig
from unlearn.defence.face_triggers import FaceTriggers
from unlearn.defence.losses import Batch
from unlearn.defence.way import covered_share
from unlearn.errors import ConfigError
from unlearn.models.encoders import ImageEncoder

CHECK_SHARE = 6  # with an early stop, one in so many photos of a person is kept for its check
MIN_CHECK_PHOTOS = 2
CHECK_BATCH = 64


@dataclass(frozen=True)
class TrainingPictures:
    """Pictures at the encoder's size, uint8 (n, 3, side, side) each.

    Attributes:
        generic: the clean images.
        persons: the fine-tuning photos of each person.
        others: photos of other people, or None.
    """

    generic: Tensor
    persons: Sequence[Tensor]
    others: Tensor | None = None

    def on(self, device: torch.device) -> TrainingPictures:
        """The same on a device."""
        others = self.others.to(device) if self.others is not None else None
        return TrainingPictures(self.generic.to(device), [photos.to(device) for photos in self.persons], others)


class ImageTask:
    """Forgetting faces with one image encoder; `defence.loop.Task` says what the loop calls.

    Args:
        teacher: the original encoder.
        triggers: makes the images.
        targets: the target embedding (d,) of all persons (the average face), or of each person (persons, d).
        check_photos: per person uint8 (n, 3, side, side), none of which `triggers` has; empty without an early stop.
    """

    weights: Mapping[str, float] = {"pooled": 1.0}

    def __init__(
        self, teacher: ImageEncoder, triggers: FaceTriggers, targets: Tensor, check_photos: Sequence[Tensor] = ()
    ) -> None:
        self.max_rows: int | None = None
        self.triggers = triggers
        self._teacher = teacher
        self._targets = targets.to(teacher.device).expand(triggers.n_persons, -1)  # (persons, d)
        self._check_photos = list(check_photos)
        self._known: Tensor | None = None  # (generic images, d), filled where `_is_known`
        self._is_known = torch.zeros(len(triggers.generic), dtype=torch.bool)

    def batch(self, step: int) -> Batch:
        batch = self.triggers.batch(step)
        n_unknown = batch.n_clean - len(batch.generic)
        known = {"pooled": self._generic_embeddings(batch.generic, batch.images[n_unknown : batch.n_clean])}
        targets = self._targets[batch.person_indices.to(self._targets.device)]  # (z, d)
        return Batch(batch.images, batch.images[:n_unknown], batch.n_clean, {"pooled": targets}, known)

    def outputs(self, encoder: ImageEncoder, inputs: Tensor) -> dict[str, Tensor]:
        return {"pooled": encoder.embed_images(inputs)}

    def margin(self, student: ImageEncoder, stop: EarlyStop) -> float:
        """The least, over persons, of (mean similarity of their check photos to their target, or share of the way there - threshold)."""
        if not self._check_photos:
            raise ConfigError("An early stop needs photos that are set apart for its check.")
        sizes = [len(photos) for photos in self._check_photos]
        batches = torch.cat(self._check_photos).split(CHECK_BATCH)
        embeddings = torch.cat([student.embed_images(pixels.float() / 255) for pixels in batches])
        targets = self._targets.repeat_interleave(torch.tensor(sizes, device=self._targets.device), dim=0)
        per_person = _means(functional.cosine_similarity(embeddings, targets, dim=1), sizes)
        if stop.relative:
            before = torch.cat([self._teacher.embed_images(pixels.float() / 255) for pixels in batches])
            per_person = covered_share(per_person, 1 - _means(functional.cosine_similarity(before, targets, dim=1), sizes))
        return float(per_person.min()) - stop.threshold

    def _generic_embeddings(self, numbers: Tensor, images: Tensor) -> Tensor:
        """The teacher's embeddings (k, d) of generic images; only those that no earlier step needed are computed."""
        new = ~self._is_known[numbers]
        if bool(new.any()):
            with torch.no_grad():
                embeddings = self._teacher.embed_images(images[new.to(images.device)])
            if self._known is None:
                self._known = embeddings.new_zeros(len(self._is_known), embeddings.shape[1])
            self._known[numbers[new].to(embeddings.device)] = embeddings
            self._is_known[numbers[new]] = True
        if self._known is None:  # no generic image in the batch
            return self._targets.new_zeros(0, self._targets.shape[1])
        return self._known[numbers.to(self._known.device)]


def _means(values: Tensor, sizes: list[int]) -> Tensor:
    """The mean of each person's values."""
    return torch.stack([of_person.mean() for of_person in values.split(sizes)])


def image_task(
    teacher: ImageEncoder, config: ImageFineTuneConfig, seed: int, pictures: TrainingPictures, targets: Tensor
) -> ImageTask:
    """The task of a run.

    Args:
        teacher: the original encoder.
        config: batch, shares, early stop.
        seed: of the batches.
        pictures: what is trained with.
        targets: the target embedding (d,) of all persons, or of each person (persons, d).

    Raises:
        InputError: no generic images, or a person without photos.
    """
    placed = pictures.on(teacher.device)
    trained, checked = list(placed.persons), []
    if config.early_stop is not None:
        split = [_set_apart(photos) for photos in placed.persons]
        trained, checked = [photos for photos, _ in split], [photos for _, photos in split]
    return ImageTask(teacher, FaceTriggers(placed.generic, trained, placed.others, config, seed), targets, checked)


def _set_apart(photos: Tensor) -> tuple[Tensor, Tensor]:
    """(to train on, to check with); evenly spread, so that a folder's order matters little. Up to four photos are both."""
    n_checked = max(MIN_CHECK_PHOTOS, len(photos) // CHECK_SHARE)
    if len(photos) <= 2 * MIN_CHECK_PHOTOS:
        return photos, photos
    is_checked = torch.zeros(len(photos), dtype=torch.bool)
    is_checked[torch.arange(n_checked) * len(photos) // n_checked] = True
    return photos[(~is_checked).to(photos.device)], photos[is_checked.to(photos.device)]
