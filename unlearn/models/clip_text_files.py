"""What the files of a CLIP text encoder of transformers and of its tokenizer say: sizes, names, vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unlearn.errors import ModelLoadError
from unlearn.files import read_json_object

TEXT_PREFIX = "text_model."  # of published text encoders; newer files leave it out
UNTOLD_LENGTH = 10**6  # tokens; transformers writes 1e30 where a tokenizer has no maximum length
TEXT_DEFAULTS = {
    "vocab_size": 49408, "hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 12, "num_attention_heads": 8,
    "max_position_embeddings": 77,
}  # fmt: skip  # of transformers' CLIPTextConfig, whose files leave out what has its default value


def text_config(folder: Path) -> dict[str, Any]:
    """What config.json says of the text encoder, with the values that such files leave out."""
    content = read_json_object(folder / "text_encoder" / "config.json")
    if isinstance(content.get("text_config"), dict):  # of a whole CLIP
        content = {**content, **content["text_config"]}
    return {**TEXT_DEFAULTS, **content}


def context_length(max_length: Any, n_positions: int) -> int:
    """Tokens of a text: what the tokenizer says, no more than the encoder has positions; many a tokenizer says nothing."""
    is_given = isinstance(max_length, int | float) and not isinstance(max_length, bool) and 2 < max_length < UNTOLD_LENGTH
    return min(int(max_length), n_positions) if is_given else n_positions


def text_shapes(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Names, without their prefix, and shapes of the tensors of the CLIPTextModel that a configuration describes."""
    width, inner = int(config["hidden_size"]), int(config["intermediate_size"])
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.token_embedding.weight": (int(config["vocab_size"]), width),
        "embeddings.position_embedding.weight": (int(config["max_position_embeddings"]), width),
        "final_layer_norm.weight": (width,), "final_layer_norm.bias": (width,),
    }  # fmt: skip
    for layer in range(int(config["num_hidden_layers"])):
        rows = {f"self_attn.{name}_proj": (width, width) for name in ("k", "v", "q", "out")}
        rows |= {"mlp.fc1": (inner, width), "mlp.fc2": (width, inner)}
        for name, shape in rows.items():
            shapes[f"encoder.layers.{layer}.{name}.weight"] = shape
            shapes[f"encoder.layers.{layer}.{name}.bias"] = shape[:1]
        for name in ("layer_norm1", "layer_norm2"):
            shapes |= {f"encoder.layers.{layer}.{name}.{kind}": (width,) for kind in ("weight", "bias")}
    return shapes


def vocabulary(tokenizer: Path) -> dict[str, int]:
    """Token -> number, of a tokenizer's folder, from its files.

    Raises:
        ModelLoadError: unreadable files.
    """
    if (tokenizer / "vocab.json").is_file():
        numbers = read_json_object(tokenizer / "vocab.json")
        if (tokenizer / "added_tokens.json").is_file():
            numbers |= read_json_object(tokenizer / "added_tokens.json")
    else:
        stored = read_json_object(tokenizer / "tokenizer.json")
        try:
            numbers = {**stored["model"]["vocab"], **{entry["content"]: entry["id"] for entry in stored.get("added_tokens", ())}}
        except (KeyError, TypeError) as error:
            raise ModelLoadError("tokenizer/tokenizer.json holds no vocabulary; copy or download it again.") from error
    if not numbers or not all(isinstance(number, int) for number in numbers.values()):
        raise ModelLoadError("The tokenizer's vocabulary holds no tokens, or some without number; copy or download tokenizer/ again.")
    return numbers
