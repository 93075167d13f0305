"""The paper's target of the image defence: the mean embedding of many different people's faces.

The faces come from a folder, from a model set's world, or from portraits that the set's own Stable Diffusion draws of the neutral
term, so that no photo of a real person is needed. What comes from the set alone is computed once and kept on disk. What comes from a
user's photos or words is not kept, because it may be about a person.
Source: Hintersdorf et al. 2024, section 5.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor
from torch.nn import functional

from unlearn.config import ResolvedConfig, Settings, name_key
from unlearn.defence.image_sources import drawing_suite, named_images
from unlearn.hub import HUB_PREFIX
from unlearn.models.clip import Clip
from unlearn.models.diffusion import conditions, draw
from unlearn.models.drawings import written
from unlearn.models.embeddings import identity_of
from unlearn.models.images import embed_images
from unlearn.models.kept_tensors import FORMAT, KeptTensors
from unlearn.models.picture_sources import picture_source
from unlearn.models.suite import Suite
from unlearn.models.worlds import World
from unlearn.progress import Report, no_report
from unlearn.texts.prompts import fill

KEPT_AS = "average_face"  # of the tensor in a cached file
MAX_KEPT_BYTES = 10_000_000  # a file has a few KB
NOUNS = frozenset({"human", "person", "man", "woman", "boy", "girl", "child", "adult", "actor", "actress", "celebrity", "people", "face"})
FIRST_SEED = 20_000  # of the portraits; far from those that a run shows


@dataclass(frozen=True)
class AverageFace:
    """The target: mean of the normalised embeddings (d,) of many people's faces, and where they come from."""

    embedding: Tensor
    source: str
    n_photos: int


def average_face(
    original: Clip, config: ResolvedConfig, settings: Settings, world: World | None, report: Report = no_report
) -> AverageFace:
    """The average face embedding; what comes from the set alone is kept in `data_dir`/cache/average-face.

    Args:
        original: whose image encoder and, where there are no photos, Stable Diffusion are used.
        config: of the run, with `image` and `portraits` filled in.
        settings: device, folders.
        world: of the set.
        report: progress of drawing, where that is needed.

    Raises:
        ConfigError: no folder, no world and no Stable Diffusion.
        InputError: the folder cannot be used.
    """
    source = picture_source("average_face_photos", config.image, settings, world)
    if source.kind == "named":
        images = list(named_images(source.name, config.image.n_generic_images, "faces for the average face", 0))
        place = "data set of the Hub" if source.name.startswith(HUB_PREFIX) else "folder"
        return AverageFace(_mean_embedding(original, images), f"photos of a {place}", len(images))
    if source.kind == "world":
        assert world is not None and world.clean_faces is not None
        images, key = list(world.clean_faces), _key(original, _fingerprint(world.clean_faces))
        embedding = _kept(settings, key, lambda: _mean_embedding(original, images))
        return AverageFace(embedding, "anonymous people of the set's world", len(images))
    return _drawn(original, config, drawing_suite(original, settings, "average_face_photos", "photos of many people"), report)


def _drawn(original: Clip, config: ResolvedConfig, suite: Suite, report: Report) -> AverageFace:
    """From portraits of the neutral term; kept on disk where prompt and settings are the set's own and the term is a plain noun."""
    assert original.hidden is not None
    defaults = original.model_set.portraits
    portraits = config.portraits
    seeds = tuple(range(FIRST_SEED, FIRST_SEED + config.image.n_average_faces))
    drawing = replace(portraits, seeds=seeds)
    prompt = fill(drawing.prompt_template, config.neutral_term)
    source = "portraits of the neutral term by the set's own Stable Diffusion"
    hidden, settings = original.hidden, suite.settings

    def compute() -> Tensor:
        pictures = draw(suite.diffusion(), conditions(hidden, [prompt]), drawing, report)[:, 0]  # (seeds, h, w, 3)
        suite.make_room()  # for the fine-tuning that follows
        return _mean_embedding(original, pictures)

    is_plain = name_key(config.neutral_term) in NOUNS and portraits.prompt_template == defaults.prompt_template
    if not is_plain:  # words of a user may name somebody
        return AverageFace(compute(), source, len(seeds))
    folder, precision = suite.diffusion_folder, suite.clip.text.precision
    key = _key(original, f"{prompt} {drawing} {identity_of(hidden)} {precision} {folder} {written(folder)}".encode())
    return AverageFace(_kept(settings, key, compute), source, len(seeds))


def _mean_embedding(original: Clip, images: Any) -> Tensor:
    return functional.normalize(embed_images(original.image, images), dim=-1).mean(dim=0)  # (d,)


def _kept(settings: Settings, key: str, compute: Callable[[], Tensor]) -> Tensor:
    """The tensor that is kept under the key, computed first where there is none."""
    cache = KeptTensors(settings.data_dir / "cache" / "average-face", MAX_KEPT_BYTES)
    embedding = cache.read(key, KEPT_AS)
    if embedding is None:
        embedding = compute()
        cache.write(key, KEPT_AS, embedding)
    return embedding


def _key(original: Clip, content: bytes) -> str:
    digest = hashlib.sha256(" ".join(identity_of(original.image)).encode() + content)
    return f"{FORMAT}-{digest.hexdigest()[:32]}"


def _fingerprint(images: Any) -> bytes:
    digest = hashlib.sha256()
    for image in images:
        digest.update(f"{image.shape}".encode() + np.ascontiguousarray(image).data)
    return digest.digest()
