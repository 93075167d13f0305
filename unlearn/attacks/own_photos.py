"""Pictures of a person that no world has: photos of a user's, or what the original Stable Diffusion draws of the name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from torch import Tensor

from unlearn.models.clip import Clip
from unlearn.models.images import embed_images

Photos: TypeAlias = Sequence[np.ndarray] | Tensor  # uint8 (height, width, 3) each, or embeddings (photos, d) by the gallery's encoder


@dataclass(frozen=True, eq=False)
class DrawnPhotos:
    """Pictures drawn by the original model, not photographs; `pictures` as photos are given."""

    pictures: Photos


OwnPhotos: TypeAlias = Mapping[str, Photos | DrawnPhotos]  # by name


def pictures_of(photos: Photos | DrawnPhotos) -> Photos:
    """The pictures, whoever made them."""
    return photos.pictures if isinstance(photos, DrawnPhotos) else photos


def embedded(clip: Clip, own_photos: OwnPhotos | None) -> dict[str, Tensor]:
    """Name -> embeddings (photos, d) by the clip's image encoder."""
    by_name = {name: pictures_of(photos) for name, photos in (own_photos or {}).items()}
    return {name: photos if isinstance(photos, Tensor) else embed_images(clip.image, list(photos)) for name, photos in by_name.items()}


def drawn_names(own_photos: OwnPhotos | None) -> frozenset[str]:
    """Whose pictures are drawn."""
    return frozenset(name for name, photos in (own_photos or {}).items() if isinstance(photos, DrawnPhotos))
