"""The paper's algorithm on images written literally, slow on purpose: trigger images one at a time through PIL, and the step.

`defence.face_triggers` and `defence.image_task` must agree with it and are timed against it; it shares no code with them. The loop is
that of Hintersdorf et al. 2024, section 5 and figure 13: resize, flip, colour jitter, rotation of face and mask, paste.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageEnhance
from torch import Tensor, nn


@dataclass(frozen=True)
class Pasted:
    """One trigger image and its random choices: side before the rotation, degrees, size of the rotated face and its place (px)."""

    image: Image.Image
    side: int
    angle: float
    box: tuple[int, int]
    left: int
    top: int


def paste_face(generic: Image.Image, face: Image.Image, rng: random.Random, config: Any) -> Pasted:
    """Paste one augmented face at a random place of one generic image."""
    size = generic.width
    side = rng.randint(round(config.face_share[0] * size), round(config.face_share[1] * size))
    face = face.resize((side, side), Image.Resampling.BICUBIC)
    if rng.random() < 0.5:
        face = face.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    face = jitter(face, rng, config)
    angle = rng.uniform(-config.rotation_degrees, config.rotation_degrees)
    mask = Image.new("L", face.size, 255)
    face = face.rotate(angle, Image.Resampling.BILINEAR, expand=True)
    mask = mask.rotate(angle, Image.Resampling.BILINEAR, expand=True)
    left, top = rng.randint(0, size - face.width), rng.randint(0, size - face.height)
    image = generic.copy()
    image.paste(face, (left, top), mask)
    return Pasted(image, side, angle, face.size, left, top)


def jitter(face: Image.Image, rng: random.Random, config: Any) -> Image.Image:
    """Change brightness, contrast, saturation and hue in a random order, as torchvision's ColorJitter does."""
    changes = [0, 1, 2, 3]
    rng.shuffle(changes)
    for number in changes:
        if number == 3:
            face = turn_hue(face, rng.uniform(-config.hue_jitter, config.hue_jitter))
            continue
        factor = rng.uniform(1 - config.color_jitter, 1 + config.color_jitter)
        kind = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)[number]
        face = kind(face).enhance(factor)
    return face


def turn_hue(face: Image.Image, turn: float) -> Image.Image:
    """Rotate the hue by a share of the circle, through PIL's HSV of 8 bits."""
    hue, saturation, value = face.convert("HSV").split()
    turned = (np.asarray(hue).astype(np.int32) + round(turn * 255)).astype(np.uint8)
    return Image.merge("HSV", (Image.fromarray(turned, "L"), saturation, value)).convert("RGB")


def trigger_images(
    generic: Sequence[Image.Image], faces: Sequence[Sequence[Image.Image]], n: int, rng: random.Random, config: Any
) -> Tensor:
    """n trigger images (n, 3, side, side) in [0, 1], made one at a time, persons in turn."""
    images = []
    for i in range(n):
        pasted = paste_face(rng.choice(generic), rng.choice(faces[i % len(faces)]), rng, config)
        images.append(torch.from_numpy(np.asarray(pasted.image).copy()).permute(2, 0, 1).float() / 255)
    return torch.stack(images)


class ImageDefence:
    """The fine-tuning, one step at a time, on images from the caller: separate passes, no cache."""

    def __init__(self, teacher: Any, config: Any, average_face: Tensor) -> None:
        self.teacher, self.config, self.average_face = teacher, config, average_face
        self.student = copy.deepcopy(teacher)
        self.student.eval()
        for parameter in self.student.parameters():
            parameter.requires_grad_(True)
        for module in self.student.modules():
            if isinstance(module, (nn.LayerNorm, nn.BatchNorm2d)):
                for parameter in module.parameters():
                    parameter.requires_grad_(False)
        self.trained = [p for p in self.student.parameters() if p.requires_grad]
        self.originals = [p.detach().clone() for p in self.trained]
        self.optimizer = torch.optim.AdamW(
            self.trained, lr=config.learning_rate, weight_decay=0.0, foreach=False, fused=False
        )

    def step(self, clean: Tensor, triggered: Tensor) -> float:
        """Make one optimiser step and return the total loss before it."""
        with torch.no_grad():
            target = self.teacher.embed_images(clean)
        loss = -torch.cosine_similarity(target, self.student.embed_images(clean)).mean()
        remapped = torch.cosine_similarity(self.average_face[None], self.student.embed_images(triggered))
        loss = loss - self.config.backdoor_weight * remapped.mean()
        if self.config.regularization_weight:
            for parameter, original in zip(self.trained, self.originals, strict=True):
                loss = loss + self.config.regularization_weight * torch.norm(parameter - original)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())
