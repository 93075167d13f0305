"""Points (h), (i) and (j) of the bench, on images: trigger images, steps of an image encoder, time against the number of faces."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from unlearn.bench import oracle_images
from unlearn.bench.timing import BenchConfig, alternating, compared
from unlearn.config import ForgetConfig, ImageFineTuneConfig, Person, Settings
from unlearn.defence.face_triggers import FaceTriggers
from unlearn.defence.image_defence import defend_image, read_sources
from unlearn.defence.image_task import TrainingPictures, image_task
from unlearn.models.encoders import OpenClipImage
from unlearn.models.suite import suite_of
from unlearn.photos.face_sets import PersonFaces
from unlearn.texts.names import random_names

FULL_SIZE = "ViT-B-32-quickgelu"
SIDE = 224
EMBED_DIM = 512
N_TRIGGERS = 128
ROUNDS = 5
N_PERSONS = 4
FACE_COUNTS = (1, 4, 16, 48)


def full_size_image(device: torch.device | str = "cpu", n_layers: int | None = None) -> OpenClipImage:
    """The image encoder of ViT-B/32 with random weights, with all its layers or fewer."""
    from open_clip import CLIP
    from open_clip.factory import get_model_config

    torch.manual_seed(0)
    config = get_model_config(FULL_SIZE)
    config["text_cfg"]["layers"] = 1  # not used here
    config["vision_cfg"]["layers"] = n_layers or config["vision_cfg"]["layers"]
    preprocess = {"mean": (0.5,) * 3, "std": (0.5,) * 3, "size": SIDE, "interpolation": "bicubic", "resize_mode": "shortest"}
    with torch.device(device):
        image = OpenClipImage(CLIP(**config).visual, preprocess, torch.float32)
    return image.eval().requires_grad_(False)


def random_pictures(n: int, seed: int, side: int = SIDE) -> Tensor:
    """n smooth random pictures, uint8 (n, 3, side, side)."""
    small = torch.rand(n, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    return (torch.nn.functional.interpolate(small, (side, side), mode="bilinear") * 255).byte()


def _as_pil(pictures: Tensor) -> list[Image.Image]:
    return [Image.fromarray(picture.permute(1, 2, 0).numpy()) for picture in pictures]


def trigger_images(config: BenchConfig, settings: Settings) -> dict[str, Any]:
    """(h) 128 trigger images of 224 px from pictures of that size in memory: ours, and the paper's loop over PIL."""
    generic, faces = random_pictures(64, 0), [random_pictures(30, 1 + person) for person in range(N_PERSONS)]
    schedule = ImageFineTuneConfig(batch_size=N_TRIGGERS)
    triggers = FaceTriggers(generic, faces, None, schedule, 0)
    pictures, *crops = map(_as_pil, (generic, *faces))
    rng = random.Random(0)
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(ROUNDS + 1):
        started = time.perf_counter()
        images = triggers.trigger_images(number)
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        expected = oracle_images.trigger_images(pictures, crops, N_TRIGGERS, rng, schedule)
        theirs.append(time.perf_counter() - started)
        assert images.shape == expected.shape
    return {**compared(ours[1:], theirs[1:]), "n_images": N_TRIGGERS, "target": "ratio >= 3"}


def image_step(config: BenchConfig, settings: Settings) -> dict[str, Any]:
    """(i) Image fine-tuning steps, ViT-B/32: half as many clean images as (a) has captions, and as many with one of 4 faces.

    The time of each side includes its trigger images. So that the losses can be compared, the oracle then steps on ours. The
    generic images repeat, as in a run; the first step, in which the teacher embeds them, does not count.
    """
    teacher, size = full_size_image(), max(2, config.batch_size // 2)
    schedule = ImageFineTuneConfig(n_steps=config.n_steps + 1, batch_size=size)
    average = torch.randn(EMBED_DIM, generator=torch.Generator().manual_seed(0))
    faces = [random_pictures(10, 1 + person) for person in range(N_PERSONS)]
    generic = random_pictures(2 * size, 0)
    task = image_task(teacher, schedule, 0, TrainingPictures(generic, faces), average)
    pictures, *crops = map(_as_pil, (generic, *faces))
    rng = random.Random(0)
    oracle = oracle_images.ImageDefence(teacher, schedule, average)

    def oracle_step(number: int) -> Callable[[], float]:
        batch = task.triggers.batch(number)

        def step() -> float:
            oracle_images.trigger_images(pictures, crops, size, rng, schedule)
            return float(oracle.step(batch.images[: batch.n_clean], batch.images[batch.n_clean :]))

        return step

    return {**alternating(teacher, task, schedule, oracle_step), "batch": [size, size],
            "target": "ratio >= 1 and loss_difference <= 1e-4"}  # fmt: skip


def many_faces(config: BenchConfig, settings: Settings) -> dict[str, Any]:
    """(j) Fine-tuning of equal length for 1 to 48 faces: the time that each further face costs."""
    suite = suite_of(config.model_set, settings)
    clip = suite.clip
    n_timed = 6
    names = random_names(max(FACE_COUNTS), seed=1)
    photos = random_pictures(8, 5, 128).permute(0, 2, 3, 1).numpy()
    run = clip.model_set.resolved(ForgetConfig((Person(names[0]),), config.model_set, encoder="image"))
    schedule = ImageFineTuneConfig(**{**vars(run.image), "n_steps": n_timed, "early_stop": None})
    sources = read_sources(clip, replace(run, image=schedule), settings, suite.world)
    seconds: dict[int, list[float]] = {count: [] for count in FACE_COUNTS}
    for _ in range(3):
        for count in FACE_COUNTS:
            persons = tuple(Person(name) for name in names[:count])
            forgotten = replace(run, persons=persons, image=schedule)
            faces = {person.name: PersonFaces(list(photos)) for person in persons}
            started = time.perf_counter()
            defend_image(clip, forgotten, faces, sources)
            seconds[count].append(time.perf_counter() - started)
    least = {count: min(times) for count, times in seconds.items()}
    slope = statistics.linear_regression(list(least), list(least.values())).slope
    return {
        "seconds": {str(count): value for count, value in least.items()}, "steps_timed": n_timed,
        "seconds_per_further_face": slope, "paper_seconds_per_further_face": 1.55,
    }  # fmt: skip
