"""Whether the parts of a Stable Diffusion folder are there and fit: each its own description, and all each other.

Reads config.json files and the heads of safetensors files. What only the modules themselves can tell,
`diffusion.require_drawing` looks at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unlearn.errors import ModelLoadError
from unlearn.files import read_json_object
from unlearn.models.clip_text_files import TEXT_PREFIX, text_config, text_shapes, vocabulary
from unlearn.models.weight_files import (
    DIFFUSERS_BASE,
    READ,
    SAFE_SUFFIX,
    TRANSFORMERS_BASE,
    PartFiles,
    Stored,
    difference,
    files_of_other_formats,
    part_files,
    require_floats,
    tensors_of,
)

PARTS = ("unet", "vae", "scheduler", "text_encoder", "tokenizer")
USABLE = "use a text-to-image Stable Diffusion 1.x or 2.x, such as CompVis/stable-diffusion-v1-4"
_BASES = {"unet": DIFFUSERS_BASE, "vae": DIFFUSERS_BASE, "text_encoder": TRANSFORMERS_BASE}
_CLASSES = {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL"}
_UNET_KINDS = {5: "a depth-to-image U-Net", 7: "an upscaler's U-Net", 8: "a U-Net that edits pictures", 9: "an inpainting U-Net"}
_FURTHER_INPUTS = ("addition_embed_type", "class_embed_type", "num_class_embeds", "time_cond_proj_dim")
_UNET_DEFAULTS = {"in_channels": 4, "out_channels": 4, "cross_attention_dim": 1280}
_CONFIGS = {"unet": "config.json", "vae": "config.json", "text_encoder": "config.json", "scheduler": "scheduler_config.json"}


@dataclass(frozen=True)
class _Described:
    """The configurations of the parts, and the shown name of the whole."""

    name: str
    unet: Mapping[str, Any]
    vae: Mapping[str, Any]
    text: Mapping[str, Any]

    def misfit(self, what: str, advice: str = USABLE) -> ModelLoadError:
        return ModelLoadError(f"The Stable Diffusion {self.name} does not fit: {what}; {advice}.")


def weight_files(folder: Path, part: str) -> PartFiles:
    """The weight files of "unet", "vae" or "text_encoder", whether they exist or not."""
    return part_files(folder / part, _BASES[part])


def missing_parts(folder: Path) -> list[str]:
    """Which parts or, where there are all parts, which files for drawing a Stable Diffusion folder lacks."""
    missing = [part for part in PARTS if not (folder / part).is_dir()]
    if missing:
        return missing
    files = [folder / part / name for part, name in _CONFIGS.items()]
    files += [file for part in _BASES for file in weight_files(folder, part).files]
    lacking = [file.relative_to(folder).as_posix() for file in files if not file.exists()]
    tokenizer = folder / "tokenizer"
    if not (tokenizer / "tokenizer.json").is_file():
        lacking += [f"tokenizer/{name}" for name in ("vocab.json", "merges.txt") if not (tokenizer / name).is_file()]
    return lacking


def require_complete(folder: Path, name: str) -> None:
    """Raise `ModelLoadError` where a folder lacks something; says what it has instead, and what helps.

    Args:
        folder: exists.
        name: how messages call it.
    """
    missing = missing_parts(folder)
    if not missing:
        return
    other = [f"{part}/{file}" for part in _BASES for file in files_of_other_formats(folder / part)]
    advice = "Give a folder that diffusers' save_pretrained wrote."
    if (folder / "transformer").is_dir():
        advice = f"It has a transformer in place of the U-Net, as Stable Diffusion 3 and FLUX; {USABLE}."
    elif other and any(file.endswith(SAFE_SUFFIX) for file in missing):
        advice = (
            f"It has {other[0]}, but {READ}. Where you have it, write it anew with diffusers: "
            "DiffusionPipeline.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER)."
        )
    raise ModelLoadError(f"{name} is no complete Stable Diffusion folder: it lacks {', '.join(missing)}. {advice}")


def require_fitting(folder: Path, name: str) -> None:
    """Raise `ModelLoadError`, with two values that differ, where the parts do not fit each other or what they say of themselves.

    Args:
        folder: complete, as of `require_complete`.
        name: how messages call it.
    """
    unet, vae = (read_json_object(folder / part / "config.json") for part in ("unet", "vae"))
    described = _Described(name, unet, vae, text_config(folder))
    _require_classes(folder, described)
    _require_channels(described)
    _require_text_width(described)
    stored = {part: tensors_of(weight_files(folder, part).files) for part in _BASES}
    _require_text_weights(stored["text_encoder"], described)
    _require_ends(stored["unet"], stored["vae"], described)
    _require_tokenizer(folder, described)


def _require_classes(folder: Path, described: _Described) -> None:
    for part, expected in _CLASSES.items():
        named = getattr(described, part).get("_class_name", expected)
        if named != expected:
            raise described.misfit(f"{part}/config.json describes a {named}, where {expected} is needed")
    kinds = described.text.get("architectures") or ["CLIPTextModel"]
    if not str(kinds[0]).startswith("CLIP") or str(described.text.get("model_type", "clip")).partition("_")[0] != "clip":
        raise described.misfit(f"text_encoder/config.json describes a {kinds[0]}, where CLIPTextModel is needed")
    if (folder / "text_encoder_2").is_dir() and described.unet.get("addition_embed_type"):
        raise described.misfit(
            f"it is a Stable Diffusion XL, whose U-Net reads {described.unet.get('cross_attention_dim')} numbers a token from two text "
            f"encoders, while text_encoder alone gives {described.text['hidden_size']}"
        )


def _require_channels(described: _Described) -> None:
    unet = {**_UNET_DEFAULTS, **described.unet}
    latent = described.vae.get("latent_channels", 4)
    read, written = unet["in_channels"], unet["out_channels"]
    if read != latent:
        kind = _UNET_KINDS.get(read, "another model's U-Net") if latent == 4 else "another model's U-Net or decoder"
        raise described.misfit(
            f"its U-Net reads {read} channels (in_channels in unet/config.json), its decoder {latent} (latent_channels in "
            f"vae/config.json), so it has {kind}"
        )
    if written != read:
        raise described.misfit(f"its U-Net reads {read} channels and gives {written} (in_channels and out_channels in unet/config.json)")
    if described.vae.get("out_channels", 3) != 3:
        colours = described.vae["out_channels"]
        raise described.misfit(f"its decoder gives {colours} colours, where 3 are needed (out_channels in vae/config.json)")
    factor = described.vae.get("scaling_factor", 0.18215)
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not factor > 0:
        raise described.misfit(
            f"scaling_factor in vae/config.json is {factor!r}, where a number above 0 is needed",
            "write the decoder's there, such as 0.18215",
        )
    side = unet.get("sample_size")
    if isinstance(side, bool) or not isinstance(side, int) or side < 1:
        raise described.misfit(
            f"sample_size in unet/config.json is {side!r}, where one whole number is needed",
            "write the side of the latents there, such as 64",
        )


def _require_text_width(described: _Described) -> None:
    unet = {**_UNET_DEFAULTS, **described.unet}
    width = described.text["hidden_size"]
    kind = unet.get("encoder_hid_dim_type") or ("text_proj" if unet.get("encoder_hid_dim") else None)
    name = "encoder_hid_dim" if kind == "text_proj" else "cross_attention_dim"
    read = unet[name]
    widths = set(read) if isinstance(read, list) else {read}
    if widths != {width}:
        raise described.misfit(
            f"its U-Net reads {' and '.join(map(str, sorted(widths, key=str)))} numbers a token ({name} in unet/config.json), its text "
            f"encoder gives {width} (hidden_size in text_encoder/config.json)",
            "give the text_encoder and tokenizer folders that belong to the U-Net",
        )
    further = [name for name in _FURTHER_INPUTS if unet.get(name) is not None]
    if kind not in (None, "text_proj"):
        further.append("encoder_hid_dim_type")
    if further:
        raise described.misfit(
            f"its U-Net needs more than a text and a time ({further[0]} in unet/config.json is {unet[further[0]]!r}, where null is needed)"
        )


def _require_text_weights(stored: Mapping[str, Stored], described: _Described) -> None:
    held = {name.removeprefix(TEXT_PREFIX): tensor for name, tensor in stored.items()}
    try:
        needed = text_shapes(described.text)
        heads = int(described.text["num_attention_heads"])
    except (TypeError, ValueError) as error:
        raise described.misfit("text_encoder/config.json holds a size that is no number") from error
    used = {name: tensor for name, tensor in held.items() if name in needed}  # position numbers and a projection are not used
    misfit = difference(used, needed, "the text encoder's file", "its config.json")
    if misfit is None and (heads < 1 or int(described.text["hidden_size"]) % heads):
        misfit = f"hidden_size {described.text['hidden_size']} cannot be divided by num_attention_heads {heads} in text_encoder/config.json"
    if misfit:
        raise described.misfit(misfit, "copy or download text_encoder/ again, config.json and weights of one and the same model")
    require_floats(used, "The text encoder's file")


def _require_ends(unet: Mapping[str, Stored], vae: Mapping[str, Stored], described: _Described) -> None:
    """The tensors in which U-Net and decoder meet the other parts; all the others are compared where the modules are built."""
    config = {**_UNET_DEFAULTS, **described.unet}
    again = "copy or download {0}/ again, config.json and weights of one and the same model"
    axes = (
        _Axis("unet", "conv_in.weight", 1, config["in_channels"]),
        _Axis("unet", "conv_out.weight", 0, config["out_channels"]),
        _Axis("vae", "decoder.conv_in.weight", 1, described.vae.get("latent_channels", 4)),
    )
    for axis in axes:
        _require_axis({"unet": unet, "vae": vae}[axis.part], axis, described, again)
    reading = [name for name in unet if name.endswith("attn2.to_k.weight")]
    dims = config["cross_attention_dim"]
    for name in reading:
        width = unet[name].shape[-1]
        if width not in (dims if isinstance(dims, list) else [dims]):
            raise described.misfit(
                f"{name} reads {width} numbers a token in the U-Net's file, but {dims} in its config.json (cross_attention_dim)",
                again.format("unet"),
            )
    for part, stored in (("U-Net", unet), ("decoder", vae)):
        require_floats(stored, f"The {part}'s file")


@dataclass(frozen=True)
class _Axis:
    """A tensor of a part whose size along one axis is the number of channels that config.json says."""

    part: str
    name: str
    axis: int
    n_channels: Any


def _require_axis(stored: Mapping[str, Stored], axis: _Axis, described: _Described, again: str) -> None:
    part, name = axis.part, axis.name
    if name not in stored:
        raise described.misfit(f"{part}/config.json describes a {_CLASSES[part]}, but its file lacks {name}", again.format(part))
    shape = stored[name].shape
    size = shape[axis.axis] if len(shape) > axis.axis else "no"
    if size != axis.n_channels:
        reason = f"{name} has {size} channels in {part}'s file, but {axis.n_channels} in {part}/config.json"
        raise described.misfit(reason, again.format(part))


def _require_tokenizer(folder: Path, described: _Described) -> None:
    numbers = vocabulary(folder / "tokenizer")
    n_tokens, n_embedded = max(numbers.values(), default=-1) + 1, int(described.text["vocab_size"])
    if n_tokens > n_embedded:
        raise described.misfit(
            f"its tokenizer has {n_tokens} tokens, its text encoder embeddings for {n_embedded} (vocab_size in text_encoder/config.json)",
            "give the tokenizer folder that belongs to the text encoder",
        )
    for token in ("<|startoftext|>", "<|endoftext|>"):
        if token not in numbers:
            raise described.misfit(f"its tokenizer has no {token}", "give the tokenizer folder that belongs to the text encoder")
