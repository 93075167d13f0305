"""What an encoder is: the protocols that the method is written against, and open_clip's two towers behind them.

Embeddings are never normalised here. The text tower keeps open_clip's parameter names, so that what is saved is what other
programs load.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlearn.models.causal_transformer import n_worth_sharing, run_blocks, supports
from unlearn.models.frozen import state_hash
from unlearn.models.tokenization import ClipTokenizer


class Encoder(Protocol):
    """What both kinds share. The classes below are torch modules; `copy.deepcopy` of one gives a student.

    Attributes:
        precision: of the matrix products.
    """

    precision: torch.dtype

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""

    @property
    def weights_hash(self) -> str:
        """16 hex digits of the present weights; one pass over them when first asked, and again when they have changed."""

    @property
    def blocks(self) -> nn.Module:
        """The transformer blocks alone (an image encoder: the whole tower); what the paper counts and trains."""

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        """As of torch modules, like the others here."""

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]: ...

    def modules(self) -> Iterator[nn.Module]: ...

    def state_dict(self) -> dict[str, Any]: ...


class TextEncoder(Encoder, Protocol):
    """A causal text transformer with a tokenizer of its own.

    Attributes:
        context_length: tokens of a text at full length, L.
        pools: False where there is no embedding in CLIP's space (a text encoder that only a diffusion model uses).
    """

    context_length: int
    pools: bool

    @property
    def tokenizer_hash(self) -> str:
        """Identifies the mapping from text to tokens, padding included."""

    def tokenize(self, texts: Sequence[str], repair: bool = True) -> Tensor:
        """Token ids (n, L), int64, on the CPU; longer texts are cut before the end-of-text token.

        Without `repair` texts are taken as they are written, as transformers takes them; CLIP's own tokenizer repairs them first.
        """

    def n_tokens(self, text: str) -> int:
        """Tokens of a text, uncut, start and end among them; the encoder reads the first L of them."""

    def end_of_text_positions(self, tokens: Tensor) -> Tensor:
        """Positions (n,) of the end-of-text tokens, 0-based."""

    def embed_texts(self, tokens: Tensor) -> Tensor:
        """Embeddings (n, d) in CLIP's space. tokens: (n, t <= L), the end of the text, at least, within t."""

    def hidden_states(self, tokens: Tensor) -> Tensor:
        """States (n, t, w) after the final layer norm; what a diffusion model reads when t = L."""

    def hidden_and_pooled(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Both of the above from one pass: ((n, t, w), (n, d))."""


class ImageEncoder(Encoder, Protocol):
    """An image tower with its preprocessing.

    Attributes:
        image_size: side of the square input, in px.
    """

    image_size: int

    def resize(self, images: Tensor | np.ndarray) -> Tensor:
        """uint8 images (n, height, width, 3) -> pixels (n, 3, image_size, image_size) in [0, 1], on the CPU."""

    def embed_images(self, pixels: Tensor) -> Tensor:
        """Embeddings (n, d) of pixels (n, 3, image_size, image_size) in [0, 1]; normalises the pixels itself."""


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[Any]:
    """Mixed precision where asked for; nothing for float32."""
    if dtype is torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype=dtype)


class OpenClipText(nn.Module):
    """`TextEncoder` of an open_clip model, under open_clip's names of the parameters."""

    pools = True
    attn_mask: Tensor

    def __init__(self, clip: Any, tokenizer: ClipTokenizer, precision: torch.dtype) -> None:
        """Take over the text modules of `clip` (an open_clip CLIP, or the TextTransformer of a CustomTextCLIP)."""
        super().__init__()
        self.token_embedding: nn.Embedding = clip.token_embedding
        self.positional_embedding: nn.Parameter = clip.positional_embedding
        self.transformer: nn.Module = clip.transformer
        self.ln_final: nn.Module = clip.ln_final
        self.text_projection: nn.Parameter | nn.Linear | None = clip.text_projection
        self.tokenizer = tokenizer
        self.precision = precision
        self._is_plain = supports(self.transformer)
        self.context_length = int(self.positional_embedding.shape[0])
        mask = torch.full((self.context_length, self.context_length), float("-inf")).triu_(1)
        self.register_buffer("attn_mask", mask, persistent=False)

    @property
    def blocks(self) -> nn.Module:
        return self.transformer

    @property
    def device(self) -> torch.device:
        return self.positional_embedding.device

    @property
    def weights_hash(self) -> str:
        return state_hash(self)

    @property
    def tokenizer_hash(self) -> str:
        return f"{self.tokenizer.vocabulary_hash}-{self.context_length}-{self.tokenizer.pad_id}"

    def tokenize(self, texts: Sequence[str], repair: bool = True) -> Tensor:
        return self.tokenizer(texts, repair)

    def n_tokens(self, text: str) -> int:
        return len(self.tokenizer.encode(text)) + 2

    def without_shortcuts(self) -> OpenClipText:
        """A copy that runs open_clip's own blocks on every position; what the shortcuts are compared with."""
        twin = copy.deepcopy(self)
        twin._is_plain = False
        return twin

    def end_of_text_positions(self, tokens: Tensor) -> Tensor:
        return tokens.argmax(dim=-1)

    def embed_texts(self, tokens: Tensor) -> Tensor:
        return self._project(self._states(tokens, self.end_of_text_positions(tokens)))

    def hidden_states(self, tokens: Tensor) -> Tensor:
        return self._states(tokens, None)

    def hidden_and_pooled(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        states = self._states(tokens, None)
        return states, self._project(states[torch.arange(len(tokens)), self.end_of_text_positions(tokens)])

    def _states(self, tokens: Tensor, positions: Tensor | None) -> Tensor:
        """States after the final layer norm: (n, t, w), or (n, w) at one wanted position a row."""
        n_shared = n_worth_sharing(tokens) if self._is_plain else 0
        if positions is not None and len(tokens):
            n_shared = min(n_shared, int(positions.min()))  # equal texts share even their ends
        length = tokens.shape[1]
        tokens = tokens.to(self.device)
        with autocast(self.device, self.precision):
            states = self.token_embedding(tokens) + self.positional_embedding[:length]
            if self._is_plain:
                states = run_blocks(self.transformer, states, n_shared, positions)
            else:
                states = self.transformer(states, attn_mask=self.attn_mask[:length, :length])
                states = states if positions is None else states[torch.arange(len(tokens)), positions]
            return self.ln_final(states).float()

    def _project(self, states: Tensor) -> Tensor:
        """End-of-text states (n, w) -> embeddings (n, d)."""
        if isinstance(self.text_projection, nn.Linear):
            projected: Tensor = self.text_projection(states)
            return projected
        return states if self.text_projection is None else states @ self.text_projection


class OpenClipImage(nn.Module):
    """`ImageEncoder` of an open_clip model's visual tower, under open_clip's names of the parameters."""

    def __init__(self, visual: nn.Module, preprocess: dict[str, Any], precision: torch.dtype) -> None:
        """preprocess: mean, std, size, interpolation, resize_mode, as open_clip configures them."""
        super().__init__()
        self.visual = visual
        self.preprocess = preprocess
        self.precision = precision
        size = preprocess["size"]
        self.image_size = int(size if isinstance(size, int) else size[0])

    @property
    def blocks(self) -> nn.Module:
        return self.visual

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def weights_hash(self) -> str:
        return state_hash(self)

    def resize(self, images: Tensor | np.ndarray) -> Tensor:
        tensor = images if isinstance(images, Tensor) else torch.from_numpy(np.array(images))  # a writable copy
        pixels = tensor.permute(0, 3, 1, 2).float()  # (n, 3, height, width)
        size, (height, width) = self.image_size, pixels.shape[-2:]
        if (height, width) != (size, size):
            is_squashed = self.preprocess["resize_mode"] == "squash"
            shortest = min(height, width)
            shape = (size, size) if is_squashed else (size * height // shortest, size * width // shortest)
            pixels = F.interpolate(pixels, shape, mode=self.preprocess["interpolation"], antialias=True)
        top, left = (round((side - size) / 2) for side in pixels.shape[-2:])  # rounded as torchvision does
        pixels = pixels[..., top : top + size, left : left + size]
        return (
            pixels.round().clamp_(0, 255).div_(255)
        )  # rounded: the tools that CLIP was trained with see 8 bits

    def embed_images(self, pixels: Tensor) -> Tensor:
        pixels = pixels.to(self.device)
        mean, std = (pixels.new_tensor(self.preprocess[key])[:, None, None] for key in ("mean", "std"))
        with autocast(self.device, self.precision):
            embeddings: Tensor = self.visual((pixels - mean) / std)
        return embeddings.float()
