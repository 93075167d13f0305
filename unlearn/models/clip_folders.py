"""A CLIP in a folder: as open_clip publishes it (open_clip_config.json) or as transformers saves its CLIPModel (config.json).

`clip_config` describes both in the terms of open_clip. Nothing is loaded here, and torch is not imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unlearn.errors import ModelLoadError
from unlearn.files import read_json_object
from unlearn.models.clip_text_files import TEXT_DEFAULTS, vocabulary
from unlearn.models.weight_files import TRANSFORMERS_BASE, part_files

CONFIG_NAME = "open_clip_config.json"
CHECKPOINT_NAMES = (
    "open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin", "open_clip_pytorch_model.pt",
)  # fmt: skip
_VISION_DEFAULTS = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12, "image_size": 224, "patch_size": 32,
}  # fmt: skip  # of transformers' CLIPVisionConfig
_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # of OpenAI's CLIP, where no file says otherwise
_INTERPOLATION = {2: "bilinear", 3: "bicubic"}  # by PIL's number
_SPECIAL = {"<|startoftext|>": "<start_of_text>", "<|endoftext|>": "<end_of_text>"}  # transformers' -> open_clip's
LARGE_WIDTH = 768  # numbers a token, from which on a text encoder is trained as that of ViT-L/14


def is_clip_folder(folder: Path) -> bool:
    """Whether a folder holds a CLIP (and not a whole model set)."""
    try:
        if (folder / CONFIG_NAME).is_file():
            return True
        return (folder / "config.json").is_file() and read_json_object(folder / "config.json").get("model_type") == "clip"
    except (OSError, ModelLoadError):
        return False


def clip_config(folder: Path) -> dict[str, Any]:
    """The content of open_clip_config.json: the folder's own, or what config.json of a CLIPModel says in the same terms.

    Raises:
        ModelLoadError: unreadable files, or a CLIPModel that open_clip has no counterpart of.
    """
    if is_translated(folder):
        return {"model_cfg": _model_config(folder), "preprocess_cfg": _preprocessing(folder)}
    return read_json_object(folder / CONFIG_NAME)


def is_translated(folder: Path) -> bool:
    """Whether the folder is one of transformers alone."""
    return not (folder / CONFIG_NAME).is_file() and (folder / "config.json").is_file()


def family(folder: Path) -> str:
    """ "large", "resnet" or "": which of the paper's settings suits the CLIP of a folder."""
    try:
        described = clip_config(folder)["model_cfg"]
        if isinstance(described["vision_cfg"].get("layers"), list):
            return "resnet"
        return "large" if int(described["text_cfg"].get("width", 512)) >= LARGE_WIDTH else ""
    except (ModelLoadError, LookupError, TypeError, ValueError, AttributeError):
        return ""  # what is wrong is told when the CLIP is loaded


def checkpoint_of(folder: Path) -> Path:
    """The file of weights of a folder, whether it exists or not.

    Raises:
        ModelLoadError: the weights are split into several files.
    """
    if file := next((folder / name for name in CHECKPOINT_NAMES if (folder / name).is_file()), None):
        return file
    files = part_files(folder, TRANSFORMERS_BASE).files
    if len(files) > 1:
        raise ModelLoadError(
            f"The CLIP in {folder.name} is split into {len(files)} files, where one is needed; write it anew with transformers: "
            "CLIPModel.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER, max_shard_size='50GB')."
        )
    return files[0] if files[0].is_file() else folder / CHECKPOINT_NAMES[0]


def _model_config(folder: Path) -> dict[str, Any]:
    content = read_json_object(folder / "config.json")
    text, vision = TEXT_DEFAULTS | _described(content, "text"), _VISION_DEFAULTS | _described(content, "vision")
    activations = {str(part.get("hidden_act", "quick_gelu")) for part in (text, vision)}
    if activations not in ({"gelu"}, {"quick_gelu"}):
        raise _unknown(folder, f"its towers have the activations {' and '.join(sorted(activations))} (hidden_act)")
    _require_own_tokens(folder)
    try:
        return {
            "embed_dim": int(content.get("projection_dim") or text.get("projection_dim") or 512),
            "quick_gelu": activations == {"quick_gelu"},
            "text_cfg": {
                "context_length": int(text["max_position_embeddings"]), "vocab_size": int(text["vocab_size"]),
                "width": int(text["hidden_size"]), "heads": int(text["num_attention_heads"]), "layers": int(text["num_hidden_layers"]),
                "mlp_ratio": text["intermediate_size"] / text["hidden_size"],
            },
            "vision_cfg": {
                "image_size": int(vision["image_size"]), "patch_size": int(vision["patch_size"]), "width": int(vision["hidden_size"]),
                "head_width": vision["hidden_size"] // vision["num_attention_heads"], "layers": int(vision["num_hidden_layers"]),
                "mlp_ratio": vision["intermediate_size"] / vision["hidden_size"],
            },
        }  # fmt: skip
    except (TypeError, ValueError, ArithmeticError) as error:
        raise _unknown(folder, "a size in its config.json is no number") from error


def _described(content: Mapping[str, Any], tower: str) -> dict[str, Any]:
    """What config.json says of a tower; older files have it under another name, or nothing."""
    for key in (f"{tower}_config", f"{tower}_config_dict"):
        if isinstance(content.get(key), dict):
            return {name: value for name, value in content[key].items() if value is not None}
    return {}


def _unknown(folder: Path, what: str) -> ModelLoadError:
    return ModelLoadError(
        f"The CLIPModel in {folder.name} cannot be taken over: {what}; give one of OpenAI's or LAION's design, such as "
        "openai/clip-vit-large-patch14."
    )


def _preprocessing(folder: Path) -> dict[str, Any]:
    file = folder / "preprocessor_config.json"
    content = read_json_object(file) if file.is_file() else {}
    interpolation = _INTERPOLATION.get(content.get("resample", 3), "unknown")
    return {
        "mean": content.get("image_mean") or _MEAN, "std": content.get("image_std") or _STD, "interpolation": interpolation,
        "resize_mode": "shortest",
    }  # fmt: skip


def _require_own_tokens(folder: Path) -> None:
    """Raise where the folder's tokenizer is another than CLIP's own, which texts are read with."""
    if not any((folder / name).is_file() for name in ("vocab.json", "tokenizer.json")):
        return
    from open_clip.tokenizer import SimpleTokenizer

    numbers = {_SPECIAL.get(token, token): number for token, number in vocabulary(folder).items()}
    if numbers != SimpleTokenizer().encoder:
        raise _unknown(folder, f"its tokenizer has {len(numbers)} tokens that are not those of CLIP")
