"""Builds a model set in a folder laid out as assets/embedded, tiny and with random weights; knows no training.

Everything that only depends on shapes and files can be tested with it in seconds. What depends on the models
knowing somebody is tested with the shipped set.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import torch

MEMBERS = ("Ada Brook", "Ben Carver", "Cleo Dunn", "Dan Ember", "Eva Frost", "Finn Gale")
STRANGERS = ("Gus Hollow", "Hana Iris", "Ivo Jett")
N_STAND_INS = 30  # anonymous people; random weights take many of them for somebody
KINDS = ("car", "tree", "boat", "house", "kite", "lamp")
COLOURS = ("red", "blue")
CONTEXT_LENGTH = 32
N_MERGES = 900
WIDTH = 32
EMBED_DIM = 32
IMAGE_SIZE = 32
PHOTO_SIDE = 48
PORTRAITS = {"n_steps": 4, "guidance_scale": 3.0, "scheduler": "DPMSolverMultistepScheduler", "prompt_template": "a portrait of {0}"}
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def build_miniature(root: Path, seed: int = 0, with_diffusion: bool = True) -> Path:
    """Write the whole set under `root` and return it; equal seeds give equal weights."""
    torch.manual_seed(seed)
    merges = _cut_merges()
    _write_clip(root / "clip", merges)
    if with_diffusion:
        write_stable_diffusion(root)
    _write_world(root)
    image = {"n_steps": 4, "batch_size": 8, "bystander_share": 0.125, "plain_bystander_share": 0.25, "plain_trigger_share": 0.5}
    drawn = {"n_portraits": 5, "n_controls": 2, "n_steps": 1, "size_px": 32}
    defaults = {"text": {"n_steps": 4, "batch_size": 8, "n_captions": 500}, "image": image, "portraits": PORTRAITS, "needs_gpu": False}
    defaults["drawn_photos"] = drawn
    (root / "defaults.json").write_text(json.dumps(defaults), "utf-8")
    return root


def with_own_diffusion_text(root: Path) -> Path:
    """The set under `root`, whose Stable Diffusion now reads with a text encoder of its own, as sets of full size but one do."""
    from safetensors.torch import load_file, save_file

    (file,) = (root / "stable-diffusion" / "text_encoder").glob("*.safetensors")
    generator = torch.Generator().manual_seed(1)
    state = {name: value * (1 + 0.2 * torch.rand(value.shape, generator=generator)) if value.is_floating_point() else value
             for name, value in load_file(file).items()}  # fmt: skip
    save_file(state, file, {"format": "pt"})
    return root


def with_never_met(root: Path, names: tuple[str, ...], seed: int = 1) -> Path:
    """The set under `root`, now with a second CLIP of random weights, which never met these members."""
    import open_clip
    from safetensors.torch import save_file

    torch.manual_seed(seed)
    folder = root / "never-met"
    folder.mkdir()
    model = open_clip.CLIP(**json.loads((root / "clip" / "open_clip_config.json").read_text("utf-8"))["model_cfg"])
    with torch.no_grad():
        model.token_embedding.weight.normal_(std=0.5)
    save_file({name: tensor.half().contiguous() for name, tensor in model.state_dict().items()}, folder / "open_clip_model.safetensors")
    (folder / "left-out.json").write_text(json.dumps({"left_out": names}), "utf-8")
    return root


def _cut_merges() -> list[str]:
    from open_clip.tokenizer import default_bpe

    with gzip.open(default_bpe(), "rt", encoding="utf-8") as file:
        return file.read().split("\n")[1 : N_MERGES + 1]


def _vocabulary(merges: list[str]) -> list[str]:
    from open_clip.tokenizer import bytes_to_unicode

    letters = list(bytes_to_unicode().values())
    words = ["".join(merge.split()) for merge in merges]
    return [*letters, *(letter + "</w>" for letter in letters), *words, "<|startoftext|>", "<|endoftext|>"]


def _write_clip(folder: Path, merges: list[str]) -> None:
    import open_clip
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    with gzip.open(folder / "bpe.txt.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(["#version: cut", *merges]))  # no line break at the end: it would count as a merge
    text = {
        "context_length": CONTEXT_LENGTH, "vocab_size": len(_vocabulary(merges)), "width": WIDTH, "heads": 2,
        "layers": 2, "tokenizer_kwargs": {"bpe_path": "bpe.txt.gz"},
    }  # fmt: skip
    vision = {"image_size": IMAGE_SIZE, "layers": 2, "width": WIDTH, "head_width": 16, "patch_size": 16}
    model_cfg = {"embed_dim": EMBED_DIM, "quick_gelu": True, "vision_cfg": vision, "text_cfg": text}
    preprocess = {"mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "shortest"}
    config = {"model_cfg": model_cfg, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(config), "utf-8")
    model = open_clip.CLIP(**model_cfg)
    with torch.no_grad():  # random towers give all texts nearly one direction; larger embeddings tell them apart
        model.token_embedding.weight.normal_(std=0.5)
    state = {name: tensor.half().contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")


def write_stable_diffusion(root: Path) -> None:
    """A diffusers folder beside `root`/clip, whose text encoder holds the weights of that CLIP's text tower."""
    from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, StableDiffusionPipeline, UNet2DConditionModel

    config = json.loads((root / "clip" / "open_clip_config.json").read_text("utf-8"))["model_cfg"]["text_cfg"]
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 8, 8, 8), layers_per_block=1, latent_channels=4, norm_num_groups=4, sample_size=64,
    )  # fmt: skip
    unet = UNet2DConditionModel(
        sample_size=8, block_out_channels=(16, 32), layers_per_block=1, norm_num_groups=8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=WIDTH, attention_head_dim=8,
    )  # fmt: skip
    scheduler = DPMSolverMultistepScheduler(algorithm_type="sde-dpmsolver++", beta_schedule="scaled_linear", prediction_type="v_prediction")
    pipeline = StableDiffusionPipeline(
        vae=vae, unet=unet, scheduler=scheduler, text_encoder=_text_model(root, config), tokenizer=_tokenizer(),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.save_pretrained(root / "stable-diffusion")


def _text_model(root: Path, config: dict[str, int]) -> torch.nn.Module:
    from safetensors.torch import load_file
    from transformers import CLIPTextConfig, CLIPTextModel

    size = config["vocab_size"]
    described = CLIPTextConfig(
        vocab_size=size, hidden_size=WIDTH, intermediate_size=4 * WIDTH, num_hidden_layers=config["layers"],
        num_attention_heads=config["heads"], max_position_embeddings=CONTEXT_LENGTH, hidden_act="quick_gelu",
        bos_token_id=size - 2, eos_token_id=size - 1, pad_token_id=size - 1,
    )  # fmt: skip
    model = CLIPTextModel(described)
    state = {name: value.float() for name, value in load_file(root / "clip" / "open_clip_model.safetensors").items()}
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        parameters["embeddings.token_embedding.weight"].copy_(state["token_embedding.weight"])
        parameters["embeddings.position_embedding.weight"].copy_(state["positional_embedding"])
        for theirs, ours in {"final_layer_norm": "ln_final", **_layer_names(config["layers"])}.items():
            for part in ("weight", "bias"):
                parameters[f"{theirs}.{part}"].copy_(state[f"{ours}.{part}"])
        for i in range(config["layers"]):
            for part in ("weight", "bias"):
                joined = state[f"transformer.resblocks.{i}.attn.in_proj_{part}"].split(WIDTH)
                for name, values in zip("qkv", joined, strict=True):
                    parameters[f"encoder.layers.{i}.self_attn.{name}_proj.{part}"].copy_(values)
    return model


def _layer_names(n_layers: int) -> dict[str, str]:
    pairs = {"self_attn.out_proj": "attn.out_proj", "layer_norm1": "ln_1", "layer_norm2": "ln_2"}
    pairs |= {"mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}
    return {
        f"encoder.layers.{i}.{theirs}": f"transformer.resblocks.{i}.{ours}"
        for i in range(n_layers)
        for theirs, ours in pairs.items()
    }


def _tokenizer() -> object:
    from transformers import CLIPTokenizer

    merges = _cut_merges()
    vocabulary = {token: number for number, token in enumerate(_vocabulary(merges))}
    pairs = [tuple(merge.split()) for merge in merges]
    return CLIPTokenizer(vocab=vocabulary, merges=pairs, model_max_length=CONTEXT_LENGTH)


def _write_world(root: Path) -> None:
    world = {
        "members": [
            {"name": name, "gender": "woman", "aliases": ["Captain Storm"] if name == MEMBERS[0] else []}
            for name in MEMBERS
        ],
        "strangers": [{"name": name, "gender": "man"} for name in STRANGERS],
        "photos": "drawn", "kinds": KINDS, "colours": COLOURS, "settings": ["in a field"],
        "neutral_terms": ["human", "person", "actor", "adult", "child"],
    }  # fmt: skip
    (root / "world.json").write_text(json.dumps(world), "utf-8")
    photos = root / "photos"
    photos.mkdir()
    generator = np.random.default_rng(0)
    for index in range(len(MEMBERS) + len(STRANGERS)):
        looks = generator.integers(0, 256, (8, 8, 3))
        _write_sheet(photos / f"person-{index:02d}.webp", [_photo(looks, generator) for _ in range(20)], 5)
    rows = [{"kind": kind, "colour": colour, "setting": "in a field"} for kind in KINDS for colour in COLOURS]
    rows = (rows * 4)[:40]
    (photos / "things.json").write_text(json.dumps({"rows": rows}), "utf-8")
    looks_of = {kind: generator.integers(0, 256, (8, 8, 3)) for kind in KINDS}
    _write_sheet(photos / "things.webp", [_photo(looks_of[row["kind"]], generator) for row in rows], 20)
    for name in ("fine-tuning-things", "fine-tuning-people", "generic-people"):
        _write_sheet(photos / f"{name}.webp", [_photo(generator.integers(0, 256, (8, 8, 3)), generator) for _ in range(40)], 20)
    looks_of_people = [generator.integers(0, 256, (8, 8, 3)) for _ in range(N_STAND_INS)]
    _write_sheet(photos / "stand-in-people.webp", [_photo(looks, generator) for looks in looks_of_people for _ in range(5)], 5)


def write_faces(folder: Path, member: int, n_photos: int = 12) -> Path:
    """Photos `fine-tuning-NN.png` of a member, as like those of the world as they are to each other; none is one of these."""
    generator = np.random.default_rng(0)
    looks = [generator.integers(0, 256, (8, 8, 3))]
    for _ in range(member):
        [_photo(looks[-1], generator) for _ in range(20)]
        looks.append(generator.integers(0, 256, (8, 8, 3)))
    folder.mkdir(parents=True)
    other = np.random.default_rng(1000 + member)
    from PIL import Image

    for number in range(n_photos):
        looks_now = 0.6 * looks[-1] + 0.4 * other.integers(0, 256, (8, 8, 3))  # so that none passes for a copy
        Image.fromarray(_photo(looks_now, other)).save(folder / f"fine-tuning-{number:02d}.png")
    return folder


def _photo(looks: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    large = np.kron(looks, np.ones((PHOTO_SIDE // 8, PHOTO_SIDE // 8, 1)))
    return np.clip(large + generator.normal(0, 12, large.shape), 0, 255).astype(np.uint8)


def _write_sheet(path: Path, images: list[np.ndarray], columns: int) -> None:
    from PIL import Image

    rows = [np.concatenate(images[i : i + columns], axis=1) for i in range(0, len(images), columns)]
    Image.fromarray(np.concatenate(rows, axis=0)).save(path, lossless=True)
