"""The target of the image defence: the mean embedding of many different people's faces, computed once and kept.

From a folder, from a model set's world, or from portraits that the set's own Stable Diffusion makes of the neutral term,
so that no real person's photo is needed. Knows encoders, worlds, portraits and the cache; no fine-tuning.
Source: Hintersdorf et al. 2024, section 5.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from unlearn.clip import Clip, resolve_device, resolve_precision
from unlearn.config import ForgetConfig, Report, Settings, no_report
from unlearn.diffusion import conditions, draw, load_diffusion
from unlearn.diffusion_text import activation_of
from unlearn.embeddings import encode, keep_tensor, kept_tensor
from unlearn.errors import ConfigError
from unlearn.gallery import embed_images
from unlearn.image_sources import folder_images
from unlearn.names import random_names
from unlearn.prompts import CHECK_TEMPLATES, fill
from unlearn.weights import find_diffusion
from unlearn.worlds import World

N_NAMES = 40  # arbitrary ones, whose mean nearness to the average face is the measure
APART = 0.6  # cosine by which the neutral term lies further away than they do; photos come near their target, not into it
KEPT_AS = "average_face"  # of the tensor in a cached file
LEAST_SINGULAR_VALUE = 0.05  # of the phrasings' directions, as a share of the greatest
FIRST_SEED = 20_000  # of the portraits; far from those that a run shows


@dataclass(frozen=True)
class AverageFace:
    """The target: mean of the normalised embeddings (d,) of many people's faces, and where they come from."""

    embedding: Tensor
    source: str
    n_photos: int


def average_face(
    original: Clip, config: ForgetConfig, settings: Settings, world: World | None, report: Report = no_report
) -> AverageFace:
    """The average face embedding, computed once with the original and kept in `data_dir`/cache/average-face.

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
    assert config.image is not None  # filled in by `fill_defaults`
    if config.image.average_face_photos is not None:
        folder = Path(config.image.average_face_photos)
        images = list(folder_images(folder, config.image.n_generic_images, "faces for the average face", 0))
        return _kept(original, settings, "photos of a folder", images)
    if world is not None and world.clean_faces is not None:
        return _kept(original, settings, "anonymous people of the set's world", world.clean_faces)
    if original.hidden is None or original.model_set.diffusion is None:
        raise ConfigError(
            "The average face needs photos of many people: name a folder with --image average_face_photos=FOLDER "
            "(the setting average_face_photos), or use a set with a Stable Diffusion, which can draw them."
        )
    return _drawn(original, config, settings, report)


def apart_from_neutral_term(original: Clip, average: AverageFace, neutral_term: str) -> AverageFace:
    """The average face turned away from the neutral term until an arbitrary name is nearer to it, by `APART`, in each phrasing.

    Where names are remapped to the neutral term and photos to the average face, the two must not meet: a CLIP that takes an
    average face for "a human" first of all would find the forgotten name nearest to the forgotten face, and the attack
    would succeed on every template. It is the least turn that does so, over phrasings that the attack does not use. Where
    only one encoder is defended, the paper's target stays as it is.
    """
    names = random_names(N_NAMES, seed=FIRST_SEED)
    texts = [fill(template, text) for template in CHECK_TEMPLATES for text in (neutral_term, *names)]
    rows = functional.normalize(encode(original.text, texts), dim=-1).view(len(CHECK_TEMPLATES), 1 + N_NAMES, -1)
    terms, face = rows[:, 0], functional.normalize(average.embedding, dim=0)
    wanted = (rows[:, 1:] @ face).mean(dim=1) - APART  # (phrasings,)
    excess = terms @ face - wanted
    if bool((excess <= 0).all()):
        return average
    turned = face - torch.linalg.pinv(terms, rtol=LEAST_SINGULAR_VALUE) @ excess
    return replace(average, embedding=turned, source=f"{average.source}, turned away from the neutral term")


def _drawn(original: Clip, config: ForgetConfig, settings: Settings, report: Report) -> AverageFace:
    """From portraits of the neutral term, drawn unless they were before."""
    assert config.image is not None and original.hidden is not None
    chosen = config.portraits or original.model_set.portraits
    seeds = tuple(range(FIRST_SEED, FIRST_SEED + config.image.n_average_faces))
    drawing = replace(chosen, seeds=seeds)
    prompt = fill(drawing.prompt_template, config.neutral_term)
    source = "portraits of the neutral term by the set's own Stable Diffusion"
    folder = find_diffusion(original.model_set, settings)
    key = f"{prompt} {drawing} {original.hidden.weights_hash} {folder}"
    path = _path(original, settings, key.encode())
    if (found := kept_tensor(path, KEPT_AS)) is not None:
        return AverageFace(found, source, len(seeds))
    device = resolve_device(settings)
    diffusion = load_diffusion(folder, device, resolve_precision(settings, device))
    pictures = draw(diffusion, conditions(original.hidden, [prompt]), drawing, report)[:, 0]  # (seeds, h, w, 3)
    return _computed(original, path, source, pictures)


def _kept(original: Clip, settings: Settings, source: str, images: Any) -> AverageFace:
    digest = hashlib.sha256()
    for image in images:
        digest.update(f"{image.shape}".encode() + np.ascontiguousarray(image).data)
    path = _path(original, settings, digest.digest())
    found = kept_tensor(path, KEPT_AS)
    return AverageFace(found, source, len(images)) if found is not None else _computed(original, path, source, images)


def _computed(original: Clip, path: Path, source: str, images: Any) -> AverageFace:
    embedding = functional.normalize(embed_images(original.image, images), dim=-1).mean(dim=0)  # (d,)
    keep_tensor(path, KEPT_AS, embedding)
    return AverageFace(embedding, source, len(images))


def _path(original: Clip, settings: Settings, content: bytes) -> Path:
    encoder = f"{original.image.weights_hash} {activation_of(original.image)}"
    name = hashlib.sha256(encoder.encode() + content).hexdigest()
    return settings.data_dir / "cache" / "average-face" / f"{name[:32]}.safetensors"
