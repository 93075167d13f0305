"""Loads the CLIP of a model set: both towers, with the activation that the weights were trained with.

Sets whose diffusion model reads with a text encoder of its own get that one, too. `suite` keeps what is loaded here.
`weights` finds the files; open_clip is imported when it is needed.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from unlearn.config import Settings
from unlearn.errors import ConfigError, ModelLoadError, first_line
from unlearn.files import write_json
from unlearn.models.activations import Activation, activation_warning, resolve_activation
from unlearn.models.clip_folders import CONFIG_NAME, clip_config, is_translated
from unlearn.models.clip_layouts import load_checkpoint
from unlearn.models.diffusion_text import (
    DiffusionText,
    holds_same_weights,
    load_diffusion_text,
    pad_token_id,
)
from unlearn.models.encoders import ImageEncoder, OpenClipImage, OpenClipText, TextEncoder
from unlearn.models.sets import ModelSet, find_model_set
from unlearn.models.tokenization import ClipTokenizer
from unlearn.models.weights import find_checkpoint, find_diffusion, is_at_hand, published_tag
from unlearn.models.worlds import World


@dataclass(frozen=True)
class Clip:
    """An original or a defended CLIP.

    Attributes:
        model_set: what it was loaded as.
        text, image: the two towers, in eval mode.
        hidden: the text encoder that the set's diffusion model reads with; `hidden is text` where it is CLIP's own,
            None where the set has no diffusion model.
        logit_scale: factor on the cosines before a softmax over labels.
        warnings: sentences for the results of everything that is computed with it.
    """

    model_set: ModelSet
    text: TextEncoder
    image: ImageEncoder
    hidden: TextEncoder | None
    logit_scale: float
    warnings: tuple[str, ...] = ()

    @property
    def is_shared(self) -> bool:
        """Whether CLIP and the diffusion model read with one text encoder."""
        return self.hidden is self.text

    @property
    def text_encoders(self) -> tuple[TextEncoder, ...]:
        """CLIP's own, and the diffusion model's where that is another one."""
        return (self.text,) if self.hidden is None or self.is_shared else (self.text, self.hidden)

    def with_text(self, text: TextEncoder, hidden: TextEncoder | None = None) -> Clip:
        """The same CLIP with another text encoder, and, where it is not shared, another one for the diffusion model."""
        return replace(self, text=text, hidden=text if self.is_shared else (hidden or self.hidden))

    def with_image(self, image: ImageEncoder) -> Clip:
        """The same CLIP with another image encoder."""
        return replace(self, image=image)


def resolve_device(settings: Settings) -> torch.device:
    """The device that the settings mean; "auto" is a GPU where there is one.

    Raises:
        ConfigError: a GPU is asked for that is not there (never the CPU or another one in its stead).
    """
    if settings.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if settings.device.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"device is {settings.device!r}, but torch finds no GPU; use auto or cpu.")
    device = torch.device(settings.device)
    if device.index is not None and device.index >= (n_gpus := torch.cuda.device_count()):
        raise ConfigError(f"device is {settings.device!r}, but torch finds {n_gpus} GPUs; the last one is cuda:{n_gpus - 1}.")
    return device


def resolve_precision(settings: Settings, device: torch.device) -> torch.dtype:
    """float32, or bfloat16 for matrix products on a GPU that has it (on these a CPU is slower with bfloat16)."""
    if settings.precision == "bf16":
        return torch.bfloat16
    return torch.bfloat16 if settings.precision == "auto" and _has_bf16(device) else torch.float32


def drawing_precision(settings: Settings, device: torch.device) -> torch.dtype:
    """Of the U-Net: 16 bits on every GPU, unless the settings ask for float32."""
    if settings.precision == "auto" and device.type == "cuda" and not _has_bf16(device):
        return torch.float16
    return resolve_precision(settings, device)


def _has_bf16(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def default_model_set(settings: Settings) -> str:
    """`sd14` where there is a GPU and its weights are at hand, else `embedded`."""
    if resolve_device(settings).type != "cuda":
        return "embedded"
    return "sd14" if is_at_hand(find_model_set("sd14"), settings) else "embedded"


def load_clip(name: str, settings: Settings) -> Clip:
    """The original CLIP of a model set, frozen, in eval mode, on the device of the settings.

    Args:
        name: of a model set; the grammar is in `models.sets`.
        settings: device, precision, where weights are.

    Raises:
        ConfigError: unknown set, or a GPU that is not there.
        ModelLoadError: weights missing, unreadable, not fitting, or an activation they were not trained with.
    """
    model_set = find_model_set(name)
    checkpoint = find_checkpoint(model_set, settings)
    folder = find_diffusion(model_set, settings) if model_set.diffusion is not None else None
    return _loaded(model_set, checkpoint, folder, settings)


def load_other_weights(original: Clip, checkpoint: Path, settings: Settings) -> Clip:
    """A CLIP of the original's architecture, tokenizer and preprocessing with the weights of another training; it draws nothing.

    Raises:
        ModelLoadError: unreadable weights, or those of another architecture.
    """
    return _loaded(original.model_set, checkpoint, None, settings)


def _loaded(model_set: ModelSet, checkpoint: Path, folder: Path | None, settings: Settings) -> Clip:
    device = resolve_device(settings)
    precision = resolve_precision(settings, device)
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")  # tf32 where bfloat16 is not used
    activation = resolve_activation(model_set, checkpoint)
    model = _open_clip_model(model_set, checkpoint, activation)
    model.requires_grad_(False)
    text, hidden = _text_encoders(model, model_set, folder, precision)
    image = OpenClipImage(model.visual, _preprocessing(model), precision)
    for module in (text, hidden, image):
        if module is not None:
            module.eval().to(device)
    return Clip(model_set, text, image, hidden, float(model.logit_scale.exp()), activation_warning(activation, model_set))


def _open_clip_model(model_set: ModelSet, checkpoint: Path, activation: Activation) -> Any:
    """The set's CLIP with the checkpoint's weights; only weights that fit by name and shape are taken."""
    import open_clip

    options: dict[str, Any] = {"precision": "fp32", "load_weights": False, "pretrained_text": False, "quick_gelu": activation.is_quick}
    folder = model_set.clip_folder
    name = model_set.clip if folder is None else f"{folder.name}/{'config.json' if is_translated(folder) else CONFIG_NAME}"
    try:
        with _without_warning_of_random_weights(), tempfile.TemporaryDirectory() as temporary:
            if folder is not None:
                if is_translated(folder):
                    write_json(Path(temporary) / CONFIG_NAME, clip_config(folder))
                    folder = Path(temporary)
                model = open_clip.create_model(f"local-dir:{folder}", **options)
            else:
                model = open_clip.create_model(model_set.clip, force_preprocess_cfg=_tag_preprocessing(model_set), **options)
    except (
        OSError, ValueError, RuntimeError, LookupError, TypeError, AttributeError, AssertionError, ImportError, ArithmeticError
    ) as error:  # fmt: skip  # what a configuration can lead to
        first = first_line(error)
        raise ModelLoadError(f"The CLIP {name} cannot be built: {first}") from error
    load_checkpoint(model, checkpoint, name)
    return model


@contextmanager
def _without_warning_of_random_weights() -> Iterator[None]:
    """open_clip warns of a model without weights; here they are put in right afterwards."""

    def is_other(record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith(("No pretrained weights loaded", "Local config loaded, but no CLIP weights found"))

    root = logging.getLogger()
    root.addFilter(is_other)
    try:
        yield
    finally:
        root.removeFilter(is_other)


def _tag_preprocessing(model_set: ModelSet) -> dict[str, Any]:
    tag = published_tag(model_set)
    return {key: tag[key] for key in ("mean", "std", "interpolation", "resize_mode") if key in tag}


def _preprocessing(model: Any) -> dict[str, Any]:
    preprocessing = dict(model.visual.preprocess_cfg)
    if preprocessing["interpolation"] not in ("bicubic", "bilinear") or preprocessing["resize_mode"] not in (
        "shortest",
        "squash",
    ):
        raise ModelLoadError(
            f"Preprocessing with {preprocessing['interpolation']} and {preprocessing['resize_mode']} is not supported; "
            "use bicubic or bilinear, and shortest or squash."
        )
    return preprocessing


def _text_encoders(
    model: Any, model_set: ModelSet, folder: Path | None, precision: torch.dtype
) -> tuple[OpenClipText, OpenClipText | DiffusionText | None]:
    """CLIP's text encoder and the diffusion model's: one object where both hold the same weights."""
    source = getattr(model, "text", model)
    _require_causal(source, model_set)
    text = OpenClipText(source, _tokenizer(model_set, source), precision)
    if folder is None:
        return text, None
    if not holds_same_weights(text, folder):
        return text, load_diffusion_text(folder, precision)
    text.tokenizer.pad_id = pad_token_id(folder)
    return text, text


def _require_causal(source: Any, model_set: ModelSet) -> None:
    pool = getattr(source, "pool_type", getattr(source, "text_pool_type", None))
    is_causal = getattr(source, "attn_mask", None) is not None and getattr(source, "cls_emb", None) is None
    if not is_causal or pool != "argmax":
        raise ModelLoadError(
            f"The text encoder of {model_set.clip or model_set.name} is no causal transformer that pools at the "
            "end of the text; choose a model of CLIP's own design."
        )


def _tokenizer(model_set: ModelSet, source: Any) -> ClipTokenizer:
    """The set's tokenizer; the path of its merges is relative to the set's folder, not to the working directory."""
    options: dict[str, Any] = {}
    if model_set.clip_folder is not None:
        config = clip_config(model_set.clip_folder)
        options = dict(config["model_cfg"]["text_cfg"].get("tokenizer_kwargs") or {})
        if "bpe_path" in options:
            options["bpe_path"] = (model_set.clip_folder / options["bpe_path"]).resolve()
    tokenizer = ClipTokenizer(source.positional_embedding.shape[0], **options)
    n_embedded = source.token_embedding.num_embeddings
    if tokenizer.n_tokens > n_embedded:
        raise ModelLoadError(
            f"The tokenizer of {model_set.name!r} has {tokenizer.n_tokens} tokens, its encoder only {n_embedded}."
        )
    return tokenizer


def world_of(clip: Clip) -> World | None:
    """The world of the CLIP's model set; None where it has none."""
    return World(clip.model_set.world) if clip.model_set.world is not None else None


def use_threads(settings: Settings) -> None:
    """Let torch compute with as many CPU threads as the settings say; None leaves its own choice."""
    if settings.n_threads is not None:
        torch.set_num_threads(settings.n_threads)
