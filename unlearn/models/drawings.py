"""Pictures that a model set's own Stable Diffusion draws of texts, in memory or kept on disk for the next time.

Only pictures of nobody may be kept: of general words, and of names that nobody was asked to forget.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unlearn.config import PortraitConfig
from unlearn.models.diffusion import conditions, draw
from unlearn.models.diffusion_parts import weight_files
from unlearn.models.embeddings import identity_of
from unlearn.models.encoders import TextEncoder
from unlearn.models.images import at_encoder_size
from unlearn.models.kept_tensors import FORMAT, KeptTensors
from unlearn.models.suite import Suite
from unlearn.models.weights import require_diffusion
from unlearn.progress import Report, no_report

KEPT_AS = "pictures"  # of the tensor in a cached file
MAX_KEPT_BYTES = 1_000_000_000  # 6,000 pictures of 224 px


def drawings(suite: Suite, prompts: Sequence[str], config: PortraitConfig, report: Report = no_report) -> np.ndarray:
    """A picture of every prompt with every seed, by the original: uint8 (seeds, prompts, height, width, 3).

    Raises:
        ModelLoadError: the set has no Stable Diffusion, or it cannot be loaded.
    """
    return draw(suite.diffusion(), conditions(_reading_encoder(suite), prompts), config, report)


def kept_drawings(suite: Suite, prompts: Sequence[str], config: PortraitConfig, report: Report = no_report) -> Tensor:
    """As `drawings`, at the size of the set's image encoder, from `data_dir`/cache/drawings where they were drawn before.

    Args:
        suite: of the set.
        prompts: texts about nobody.
        config: seeds, steps, size.
        report: progress of drawing, where that is needed.

    Returns:
        uint8 (seeds, prompts, 3, side, side).
    """
    cache = KeptTensors(suite.settings.data_dir / "cache" / "drawings", MAX_KEPT_BYTES)
    key = _key(suite, prompts, config)
    pictures = cache.read(key, KEPT_AS)
    if pictures is None:
        drawn = drawings(suite, prompts, config, report)
        pictures = torch.stack([at_encoder_size(suite.clip.image, np.ascontiguousarray(of_seed)) for of_seed in drawn])
        cache.write(key, KEPT_AS, pictures)
    return pictures


def _reading_encoder(suite: Suite) -> TextEncoder:
    require_diffusion(suite.model_set)
    assert suite.clip.hidden is not None  # every set with a Stable Diffusion has it
    return suite.clip.hidden


def _key(suite: Suite, prompts: Sequence[str], config: PortraitConfig) -> str:
    folder = suite.diffusion_folder
    encoders = identity_of(_reading_encoder(suite)), identity_of(suite.clip.image)
    content = f"{list(prompts)} {config} {encoders} {folder} {written(folder)}"
    return f"{FORMAT}-{hashlib.sha256(content.encode()).hexdigest()[:32]}"


def written(folder: Path) -> list[tuple[str, int, int]]:
    """Names, sizes and times of the weights of a Stable Diffusion, because the weights in a folder may be replaced."""
    files = [file for part in ("unet", "vae") for file in weight_files(folder, part).files]
    return [(file.name, (status := file.stat()).st_size, status.st_mtime_ns) for file in files]
