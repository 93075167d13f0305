"""Pictures to embeddings, in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unlearn.models.encoders import ImageEncoder

IMAGE_BATCH = 64


def embed_images(encoder: ImageEncoder, images: Sequence[np.ndarray] | np.ndarray) -> Tensor:
    """Embeddings (n, d) on the CPU of photos uint8 (height, width, 3), which may differ in size."""
    parts = []
    with torch.inference_mode():
        for start in range(0, len(images), IMAGE_BATCH):
            batch = images[start : start + IMAGE_BATCH]
            if isinstance(batch, np.ndarray):
                pixels = encoder.resize(batch)
            else:
                pixels = torch.cat([encoder.resize(image[None]) for image in batch])
            parts.append(encoder.embed_images(pixels).cpu())
    return torch.cat(parts).clone()


def at_encoder_size(encoder: ImageEncoder, images: Any) -> Tensor:
    """uint8 (n, 3, side, side) of pictures uint8 (height, width, 3), an array or a sequence of any sizes."""
    if isinstance(images, np.ndarray):
        resized = [encoder.resize(images[i : i + 64]) for i in range(0, len(images), 64)]
    else:
        resized = [encoder.resize(image[None]) for image in images]
    return torch.cat([part.mul(255).round_().to(torch.uint8) for part in resized])


MEASURED_BATCH = 64


def embed_pixels(encoder: ImageEncoder, pixels: Tensor) -> Tensor:
    """Embeddings (n, d) on the CPU of images uint8 (n, 3, side, side) at the encoder's size."""
    with torch.no_grad():
        return torch.cat([encoder.embed_images(part.float() / 255).cpu() for part in pixels.split(MEASURED_BATCH)])
