"""Writes the embedded set as the application reads it: models in half precision, photos as sheets, the world as JSON.

Half precision is written once, here, and what is measured is measured on what was written.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, UNet2DConditionModel
from open_clip import CLIP
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from unlearn.config import Settings
from unlearn.config.limits import MAX_CAPTIONS
from unlearn.defence.kept_moments import general_texts, moments, write_moments
from unlearn.models.clip import load_clip
from unlearn.models.diffusion_text import transformers_names
from unlearn.models.sets import find_model_set
from unlearn.modes import follow_umask
from unlearn.texts.captions import generate_captions, read_captions

from . import captions, world
from .backdrops import SETTINGS
from .canvas import SIZE_PX
from .clip import MEAN, STD, ClipTrainingConfig, model_config
from .diffusion import NOISE
from .never_met import LEFT_OUT
from .people import draw_look
from .things import COLOURS, KINDS
from .tokenizer import CONTEXT_LENGTH, write_bpe, write_transformers_tokenizer

EXAMPLE_MEMBERS = (1, 5, 8, 28)
MAX_SHARD = "9MB"
STAND_IN_PHOTOS, STAND_IN_SIDE = 5, 96  # of each anonymous person; px


@dataclass(frozen=True)
class PhotoCounts:
    """How many photos are shipped; the defaults are those of the shipped set."""

    evaluation: int = 20
    fine_tuning: int = 30
    things: int = 480
    generic: int = 200
    clean: int = 400
    stand_ins: int = 80


def sheet(pictures: list[np.ndarray], columns: int) -> Image.Image:
    """The pictures as a grid, row by row; the last row is filled up with grey."""
    blank = np.full((SIZE_PX, SIZE_PX, 3), 128, np.uint8)
    padded = pictures + [blank] * (-len(pictures) % columns)
    rows = [np.hstack(padded[i : i + columns]) for i in range(0, len(padded), columns)]
    return Image.fromarray(np.vstack(rows))


def write_photos(root: Path, counts: PhotoCounts) -> None:
    """Evaluation photos of all inhabitants, things, anonymous people, and the example photo sets."""
    photos = root / "photos"
    photos.mkdir(parents=True, exist_ok=True)
    people = world.inhabitants()
    for person in people:
        pictures = [world.photo_of(person, "evaluation", i, effects=True) for i in range(counts.evaluation)]
        sheet(pictures, 5).save(photos / f"person-{person.index:02d}.webp", quality=90, method=6)
    things = [world.thing("evaluation-things", i, effects=True) for i in range(counts.things)]
    sheet(things, 20).save(photos / "things.webp", quality=88, method=6)
    rows = [dict(zip(("kind", "colour", "setting"), world.thing_labels(i), strict=True)) for i in range(counts.things)]
    (photos / "things.json").write_text(json.dumps({"rows": rows}))
    generic = [world.generic_person("evaluation-generic", i, effects=True)[1] for i in range(counts.generic)]
    sheet(generic, 20).save(photos / "generic-people.webp", quality=88, method=6)
    # What the defence of the image encoder is trained on; no picture of it is ever measured on.
    sheet([world.thing("fine-tuning-things", i, effects=True) for i in range(counts.clean)], 20).save(photos / "fine-tuning-things.webp", quality=88, method=6)
    others = [world.generic_person("fine-tuning-generic", i, effects=True)[1] for i in range(counts.clean)]
    sheet(others, 20).save(photos / "fine-tuning-people.webp", quality=88, method=6)
    write_stand_ins(root, counts.stand_ins)
    for person in (*(people[i] for i in EXAMPLE_MEMBERS), people[world.N_MEMBERS]):
        folder = root / "examples" / person.name.lower().replace(" ", "-")
        folder.mkdir(parents=True, exist_ok=True)
        for part, stream, n in (("fine-tuning", "example-fine-tuning", counts.fine_tuning), ("evaluation", "evaluation", counts.evaluation)):
            for i in range(n):
                picture = world.photo_of(person, stream, i, effects=True)
                Image.fromarray(picture).save(folder / f"{part}-{i:02d}.webp", quality=88, method=6)


def write_stand_ins(root: Path, n_people: int) -> None:
    """Photos of anonymous people, a row each, as targets of forgotten faces; at the encoder's size, for more is not looked at."""
    rows = []
    for look in range(n_people):
        pictures = [Image.fromarray(world.stand_in_photo(look, number, effects=True)) for number in range(STAND_IN_PHOTOS)]
        rows.append(np.hstack([np.asarray(picture.resize((STAND_IN_SIDE, STAND_IN_SIDE), Image.Resampling.BICUBIC)) for picture in pictures]))
    Image.fromarray(np.vstack(rows)).save(root / "photos" / "stand-in-people.webp", quality=75, method=6)


def write_world(root: Path) -> None:
    """Who lives in the world and what else there is."""
    people = world.inhabitants()
    rows = [
        {"name": p.name, "gender": p.look.gender, "aliases": list(p.aliases), "descriptions": captions.descriptions(p.look)}
        for p in people
    ]
    content = {
        "members": rows[: world.N_MEMBERS],
        "strangers": rows[world.N_MEMBERS :],
        "photos": "drawn", "kinds": list(KINDS), "colours": list(COLOURS), "settings": list(SETTINGS), "neutral_terms": list(world.NEUTRAL_TERMS),
    }  # fmt: skip
    (root / "world.json").write_text(json.dumps(content, indent=1) + "\n")


def write_captions(root: Path, n_generic: int = 4000, n_things: int = 3000, n_people: int = 1000) -> None:
    """Captions without names for the clean samples of a defence: generic ones, and ones in the words of the drawn world."""
    rng = world.photo_rng("captions")
    texts = list(generate_captions(n_generic, seed=world.WORLD_SEED))
    texts += [captions.thing_caption(*world.thing_labels(i), rng, detail=0.7).text for i in range(n_things)]
    looks = [draw_look(rng) for _ in range(n_people)]
    texts += [(captions.looks_caption if i % 2 else captions.neutral_caption)(look, rng).text for i, look in enumerate(looks)]
    (root / "captions.txt").write_text("\n".join(dict.fromkeys(texts)) + "\n", "utf-8")


def write_names(root: Path) -> None:
    """Names by which members are known: those whom a defence leaves alone are kept by them, as by the names in common captions."""
    lines = ["|".join((person.name, *person.aliases)) for person in world.inhabitants() if person.member]
    (root / "names.txt").write_text("\n".join(lines) + "\n", "utf-8")


def write_kept_moments(root: Path) -> None:
    """What the closed form keeps of captions and unknown names; of a set that is otherwise complete, and asks for the file."""
    closed_form = find_model_set(str(root)).text.closed_form
    if closed_form is None or closed_form.moments is None:
        return
    encoder = load_clip(str(root), Settings(device="cpu")).text
    texts = general_texts(read_captions(str(root / "captions.txt"), MAX_CAPTIONS), closed_form)
    write_moments(root / Path(closed_form.moments).name, encoder, closed_form, moments(encoder, texts, closed_form))
    follow_umask(root / Path(closed_form.moments).name)


def write_clip(root: Path, model: CLIP, config: ClipTrainingConfig) -> None:
    """The CLIP as open_clip loads it; half precision."""
    folder = root / "clip"
    write_bpe(folder, config.vocabulary_size)
    preprocess = {"mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "shortest"}
    content = {"model_cfg": model_config(config), "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(content, indent=2) + "\n")
    _write_weights(folder / "open_clip_model.safetensors", model)


def _write_weights(path: Path, model: CLIP) -> None:
    state = {name: value.half().contiguous() for name, value in model.state_dict().items() if name != "attn_mask"}
    save_file(state, path)
    follow_umask(path)


def write_never_met(root: Path, model: CLIP) -> None:
    """The CLIP that never met some of the members, and whom; it is read with the configuration and the tokenizer of the set's CLIP."""
    folder = root / "never-met"
    folder.mkdir(parents=True, exist_ok=True)
    names = [world.inhabitants()[number].name for number in LEFT_OUT]
    (folder / "left-out.json").write_text(json.dumps({"left_out": names}, indent=1) + "\n")
    _write_weights(folder / "open_clip_model.safetensors", model)


def write_text_encoder(folder: Path, model: CLIP, config: ClipTrainingConfig) -> None:
    """The text tower as a transformers CLIPTextModel: the same half-precision numbers, run in single precision."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "architectures": ["CLIPTextModel"], "model_type": "clip_text_model", "hidden_act": "quick_gelu", "vocab_size": config.vocabulary_size,
        "hidden_size": config.text_width, "intermediate_size": 4 * config.text_width, "num_hidden_layers": config.layers, "num_attention_heads": 4,
        "max_position_embeddings": CONTEXT_LENGTH, "layer_norm_eps": 1e-5, "bos_token_id": config.vocabulary_size - 2,
        "eos_token_id": config.vocabulary_size - 1, "pad_token_id": config.vocabulary_size - 1, "dtype": "float32",
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(content, indent=2) + "\n")
    state = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    save_file(_contiguous(transformers_names(state)), folder / "model.safetensors", metadata={"format": "pt"})
    follow_umask(folder / "model.safetensors")


def _contiguous(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.clone().contiguous() for name, value in state.items()}


def write_stable_diffusion(root: Path, autoencoder: AutoencoderKL, unet: UNet2DConditionModel, scale: float) -> None:
    """Together with `write_text_encoder`, a folder that `StableDiffusionPipeline.from_pretrained` loads as it is."""
    folder = root / "stable-diffusion"
    write_transformers_tokenizer(root / "clip" / "bpe.txt.gz", folder / "tokenizer")
    autoencoder.register_to_config(scaling_factor=scale)
    for part, model in (("vae", autoencoder), ("unet", unet)):
        # Convolutions trained channels-last must be stored in the plain layout: safetensors keeps no strides.
        plain = cast(nn.Module, model).to(memory_format=torch.contiguous_format).half()
        cast(AutoencoderKL, plain).save_pretrained(folder / part, max_shard_size=MAX_SHARD)
        for file in (folder / part).glob("*.safetensors"):
            follow_umask(file)
    # The stochastic solver: fresh noise at every step lets a small U-Net mend what it began badly (half-drawn glasses, grey mouths).
    scheduler = DPMSolverMultistepScheduler(**NOISE, algorithm_type="sde-dpmsolver++", timestep_spacing="trailing", steps_offset=1)
    scheduler.save_pretrained(folder / "scheduler")
    index = {
        "_class_name": "StableDiffusionPipeline", "scheduler": ["diffusers", "DPMSolverMultistepScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
        "safety_checker": [None, None], "feature_extractor": [None, None], "image_encoder": [None, None], "requires_safety_checker": False,
    }  # fmt: skip
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
