"""The text encoder of a Stable Diffusion folder: transformers' CLIPTextModel behind the `TextEncoder` protocol.

For model sets whose diffusion model has a text encoder of its own; it gives hidden states and no pooled embedding. Also tells
how CLIPTextModel names the parameters of an open_clip text tower (they hold the same numbers), and which token fills the
context.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from unlearn.errors import ConfigError, ModelLoadError
from unlearn.files import read_json_object
from unlearn.models.clip_layouts import require_numbers
from unlearn.models.clip_names import BLOCK_NAMES
from unlearn.models.clip_text_files import TEXT_PREFIX as PREFIX  # transformers 5 reads it and leaves it out in its own modules
from unlearn.models.clip_text_files import context_length, text_config, vocabulary
from unlearn.models.diffusion_parts import weight_files
from unlearn.models.encoders import Encoder, OpenClipText, autocast
from unlearn.models.frozen import state_hash
from unlearn.models.weight_files import read_tensors


class DiffusionText(nn.Module):
    """`TextEncoder` of a CLIPTextModel: hidden states only (`pools` is False)."""

    pools = False

    def __init__(self, model: Any, tokenizer: Any, precision: torch.dtype) -> None:
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer
        self.precision = precision
        self.context_length = context_length(tokenizer.model_max_length, int(model.config.max_position_embeddings))

    @property
    def blocks(self) -> nn.Module:
        encoder: nn.Module = self.model.encoder
        return encoder

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def weights_hash(self) -> str:
        return state_hash(self)

    @property
    def tokenizer_hash(self) -> str:
        parts = (
            *sorted(self.tokenizer.get_vocab()),
            str(self.context_length),
            str(self.tokenizer.pad_token_id),
        )
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def n_tokens(self, text: str) -> int:
        return len(self.tokenizer(text, truncation=False, verbose=False)["input_ids"])

    def tokenize(self, texts: Sequence[str], repair: bool = True) -> Tensor:
        length = self.context_length
        tokenized = self.tokenizer(list(texts), padding="max_length", max_length=length, truncation=True)
        return torch.tensor(tokenized["input_ids"])

    def end_of_text_positions(self, tokens: Tensor) -> Tensor:
        return tokens.argmax(dim=-1)

    def embed_texts(self, tokens: Tensor) -> Tensor:
        raise ConfigError(
            "A text encoder of Stable Diffusion has no pooled embedding; set pooled_weight to 0."
        )

    def hidden_states(self, tokens: Tensor) -> Tensor:
        with autocast(self.device, self.precision):
            states: Tensor = self.model(input_ids=tokens.to(self.device)).last_hidden_state
        return states.float()

    def hidden_and_pooled(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        return self.hidden_states(tokens), self.embed_texts(tokens)


def load_diffusion_text(folder: Path, precision: torch.dtype) -> DiffusionText:
    """The text encoder and tokenizer of a Stable Diffusion folder, float32, in eval mode, on the CPU.

    Raises:
        ModelLoadError: missing or unreadable files.
    """
    from transformers import CLIPTextModel, CLIPTokenizer

    files = weight_files(folder, "text_encoder")
    options: dict[str, Any] = {"local_files_only": True, "use_safetensors": files.is_safe, "dtype": torch.float32}
    try:
        model = CLIPTextModel.from_pretrained(folder / "text_encoder", variant=files.variant, **options)
        length = context_length(_tokenizer_config(folder).get("model_max_length"), int(model.config.max_position_embeddings))
        tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True, model_max_length=length)
        n_tokens = len(tokenizer("")["input_ids"])
    except (
        OSError, ValueError, RuntimeError, LookupError, TypeError, AttributeError, AssertionError, SafetensorError
    ) as error:  # fmt: skip  # what files of a foreign hand lead to
        first = str(error).strip().partition("\n")[0].rstrip(".")
        reason = f"{type(error).__name__}: {first}"
        raise ModelLoadError(f"Text encoder or tokenizer of the Stable Diffusion cannot be loaded ({reason}).") from error
    if n_tokens != 2:
        raise ModelLoadError(f"The tokenizer makes {n_tokens} tokens of an empty text, CLIP's makes 2; copy or download tokenizer/ again.")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token_id = pad_token_id(folder)
    require_numbers(model.named_parameters(), "text_encoder/")
    return DiffusionText(model.eval().requires_grad_(False), tokenizer, precision)


def transformers_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The parameters of open_clip's text tower under the names of CLIPTextModel's files (which have no projection)."""
    named = {
        "embeddings.token_embedding.weight": state["token_embedding.weight"],
        "embeddings.position_embedding.weight": state["positional_embedding"],
    }
    n_layers = sum(name.endswith(".attn.in_proj_weight") and name.startswith("transformer.") for name in state)
    for part in ("weight", "bias"):
        named[f"final_layer_norm.{part}"] = state[f"ln_final.{part}"]
        for i in range(n_layers):
            here, there = f"transformer.resblocks.{i}.", f"encoder.layers.{i}."
            for name, tensor in zip("qkv", state[f"{here}attn.in_proj_{part}"].chunk(3), strict=True):
                named[f"{there}self_attn.{name}_proj.{part}"] = tensor
            named |= {f"{there}{theirs}.{part}": state[f"{here}{ours}.{part}"] for theirs, ours in BLOCK_NAMES.items()}
    return {PREFIX + name: tensor.contiguous() for name, tensor in named.items()}


def holds_same_weights(encoder: OpenClipText, folder: Path) -> bool:
    """Whether the text encoder of a Stable Diffusion folder holds a CLIP text tower's numbers.

    Compares all tensors, within half precision's rounding (either may have been stored so). Different shapes or
    activations are simply "no".
    """
    needed = transformers_names(encoder.state_dict())
    n_layers = sum(name.endswith("layer_norm1.weight") for name in needed)
    if int(text_config(folder)["num_hidden_layers"]) != n_layers:  # a model may leave out the last layers that its file holds
        return False
    for file in weight_files(folder, "text_encoder").files:
        for key, theirs in read_tensors(file).items():
            ours = needed.pop(key if key.startswith(PREFIX) else PREFIX + key, None)
            if ours is not None and not _is_close(theirs, ours):
                return False
    if needed or _activation(folder) != activation_of(encoder):
        return False
    max_length = _tokenizer_config(folder).get("model_max_length")
    return context_length(max_length, encoder.context_length) == encoder.context_length


def _is_close(theirs: Tensor, ours: Tensor) -> bool:
    return theirs.shape == ours.shape and torch.allclose(theirs.float(), ours.cpu().float(), rtol=2e-3, atol=1e-5)


def _tokenizer_config(folder: Path) -> dict[str, Any]:
    """What tokenizer_config.json says; it may be missing, as all in it has a default."""
    file = folder / "tokenizer" / "tokenizer_config.json"
    return read_json_object(file) if file.is_file() else {}


def _activation(folder: Path) -> str:
    return str(text_config(folder).get("hidden_act", "quick_gelu"))


def activation_of(encoder: Encoder) -> str:
    """ "quick_gelu" or "gelu", as transformers calls them."""
    names = {type(module).__name__ for module in encoder.modules()}
    return "quick_gelu" if "QuickGELU" in names else "gelu"


def pad_token_id(folder: Path) -> int:
    """Id of the token that fills the context for the diffusion model; 49407 (end of text) in SD 1.4, 0 in CLIP.

    Reads the tokenizer's files; so CLIP's own tokenizer can serve without importing transformers.
    """
    tokenizer = folder / "tokenizer"
    token = _tokenizer_config(folder).get("pad_token", "<|endoftext|>")
    content = str(token["content"] if isinstance(token, dict) and "content" in token else token)
    if token is None:  # no token for it: the end of the text fills the context, as in Stable Diffusion 1.4
        content = "<|endoftext|>"
    numbers = vocabulary(tokenizer)
    if content not in numbers:
        raise ModelLoadError(
            f"The padding token {content!r} (pad_token in tokenizer/tokenizer_config.json) is not in the tokenizer's vocabulary of "
            f"{len(numbers)} tokens; give the tokenizer folder that belongs to the text encoder."
        )
    return numbers[content]
