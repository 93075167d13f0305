"""Pseudo-tokens: vectors that stand for tokens of a text, so that an input can be optimised that nobody can type.

An encoder with pseudo-tokens shares all weights with the one that it was made from, which is not changed.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from unlearn.models.embeddings import trimmed
from unlearn.models.encoders import TextEncoder

BATCH = 256

AnyText = TypeVar("AnyText", bound=TextEncoder)


class _SoftEmbedding(nn.Module):
    """A token embedding in which some tokens mean given vectors.

    Args:
        embedding: of all tokens.
        numbers: (m,) of the tokens that are replaced.
        vectors: (m, w) what they mean; gradients flow.
    """

    def __init__(self, embedding: nn.Module, numbers: Tensor, vectors: Tensor) -> None:
        super().__init__()
        self.embedding = embedding
        n_tokens = int(cast(Any, embedding).weight.shape[0])
        self.rows = torch.full((n_tokens,), -1, dtype=torch.int64).scatter(0, numbers, torch.arange(len(numbers))).to(vectors.device)
        self.vectors = vectors

    def forward(self, tokens: Tensor) -> Tensor:
        rows = self.rows[tokens]
        return torch.where((rows >= 0)[..., None], self.vectors[rows.clamp(min=0)], self.embedding(tokens))


@dataclass(frozen=True)
class SoftTexts:
    """Texts some of whose tokens mean vectors of their own.

    Attributes:
        tokens: (n, L) token ids, on the CPU.
        numbers: (m,) the tokens that are replaced.
        vectors: (m, w) what they mean.
    """

    tokens: Tensor
    numbers: Tensor
    vectors: Tensor

    def __len__(self) -> int:
        return len(self.tokens)

    def read_by(self, encoder: AnyText) -> AnyText:
        """The encoder with these vectors, sharing its weights: what is trained or edited in one changes the other."""
        return with_vectors(encoder, self.numbers, self.vectors)


def with_vectors(encoder: AnyText, numbers: Tensor, vectors: Tensor) -> AnyText:
    """The encoder with other meanings of some tokens; only the modules around the token embedding are copied, not their weights."""
    if not len(numbers):
        return encoder
    path = _path_of_tokens(encoder).split(".")
    twin: Any = copy.copy(encoder)
    inner = twin
    for name in path[:-1]:
        inner._modules = {**inner._modules, name: copy.copy(inner._modules[name])}
        inner = inner._modules[name]
    inner._modules = {**inner._modules, path[-1]: _SoftEmbedding(inner._modules[path[-1]], numbers, vectors)}
    return cast(AnyText, twin)


class SoftPrompts:
    """Sentences in which pseudo-tokens stand in the name's place.

    Args:
        encoder: whose tokens are meant.
        templates: with {0} in the name's place.
        lengths: pseudo-tokens of each try.
    """

    def __init__(self, encoder: TextEncoder, templates: Sequence[str], lengths: Sequence[int]) -> None:
        pieces = [tuple(_numbers(encoder, piece) for piece in template.split("{0}", 1)) for template in templates]
        used = {number for pair in pieces for piece in pair for number in piece}
        start, end = encoder.tokenize([""])[0, :2].tolist()
        free = iter(number for number in range(min(start, end)) if number not in used)
        self.numbers = [[next(free) for _ in range(length)] for length in lengths]
        self.n_templates = len(templates)
        rows = [[start, *before, *numbers, *behind, end] for numbers in self.numbers for before, behind in pieces]
        self.tokens = encoder.tokenize([""] * len(rows))  # (tries * templates, context), filled up as the encoder does
        for row, tokens in zip(rows, self.tokens, strict=True):
            cut = [*row[: encoder.context_length - 1], end] if len(row) > encoder.context_length else row
            tokens[: len(cut)] = torch.tensor(cut)

    @property
    def flat(self) -> Tensor:
        """(m,) numbers of all pseudo-tokens, try by try."""
        return torch.tensor([number for numbers in self.numbers for number in numbers])

    def embed(self, encoder: TextEncoder, vectors: Tensor) -> Tensor:
        """(tries, templates, d) embeddings; gradients flow to `vectors` (m, w), which mean the pseudo-tokens."""
        twin = with_vectors(encoder, self.flat, vectors)
        parts = [twin.embed_texts(trimmed(encoder, tokens)) for tokens in self.tokens.split(BATCH)]
        return torch.cat(parts).view(len(self.numbers), self.n_templates, -1)


def _numbers(encoder: TextEncoder, text: str) -> list[int]:
    """The tokens of a text without those of its start and end."""
    tokens = encoder.tokenize([text])
    return [int(number) for number in tokens[0, 1 : int(encoder.end_of_text_positions(tokens)[0])]]


def token_vectors(encoder: TextEncoder) -> Tensor:
    """(tokens, w) what all tokens mean."""
    weight: Tensor = cast(Any, encoder).get_submodule(_path_of_tokens(encoder)).weight
    return weight.detach()


def _path_of_tokens(encoder: TextEncoder) -> str:
    """The name of the module with the vectors of the tokens: open_clip's and transformers' encoders hold it in different places."""
    return next(name for name, _ in cast(nn.Module, encoder).named_modules() if name.rpartition(".")[2] == "token_embedding")


def name_vectors(encoder: TextEncoder, name: str) -> Tensor:
    """(tokens, w) what the tokens of a name mean."""
    return token_vectors(encoder)[_numbers(encoder, name)]


def known_words(encoder: TextEncoder) -> dict[int, str]:
    """Number -> text of the tokens that are whole words; see `tokenization.ClipTokenizer.words`."""
    words: dict[int, str] = cast(Any, encoder).tokenizer.words
    return words
