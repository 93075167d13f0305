"""Figures of zero-shot accuracy, as a run's metrics hold them; knows no model."""

from __future__ import annotations

from dataclasses import dataclass

_TITLES = {
    "imagenet-v2": "ImageNet-V2", "cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "flowers-102": "Flowers-102", "sun397": "SUN397",
    "facescrub": "FaceScrub",
}  # fmt: skip


@dataclass(frozen=True)
class DataSetAccuracy:
    """Zero-shot accuracy on a published data set, before and after; shares in 0 to 1.

    Attributes:
        data_set: its name, as of `config.DataSetName`.
        n_images: pictures that were classified.
        n_classes: classes among which the model chose.
        top5_original, top5_defended: None for fewer than five classes.
    """

    data_set: str
    n_images: int
    n_classes: int
    top1_original: float | None = None
    top5_original: float | None = None
    top1_defended: float | None = None
    top5_defended: float | None = None

    @property
    def title(self) -> str:
        """The data set as its authors write it."""
        return _TITLES.get(self.data_set, self.data_set)
