"""Texts to embeddings in batches, with as little padding as exactness allows, and a cache of the results.

CLIP's text transformer is causal and pools at the end-of-text token, so what stands behind the longest end-of-text position of
a batch changes nothing but the time. Hidden states for Stable Diffusion need the full context.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from unlearn.config import Settings
from unlearn.errors import InputError
from unlearn.files import CACHE
from unlearn.models.diffusion_text import activation_of
from unlearn.models.encoders import ImageEncoder, TextEncoder
from unlearn.models.kept_tensors import FORMAT, KeptTensors
from unlearn.progress import Progress, Report, no_report

CUDA_ROUNDING = 8  # tokens; tensor cores like multiples of 8, and fewer shapes mean fewer kernels to choose
LEADING = (10, 8, 6, 4, 3, 2)  # tokens, the start token among them, by which texts are grouped
ENOUGH_ALIKE = 128  # texts; batches of fewer waste more than what they share saves
KEPT_AS = "embeddings"  # of the tensor in a cached file
MAX_BYTES = 500_000_000
Kind = Literal["pooled", "hidden"]


def trimmed(encoder: TextEncoder, tokens: Tensor) -> Tensor:
    """`trim_context`, rounded up to a multiple of 8 tokens on a GPU; exact for pooled embeddings."""
    length = int(encoder.end_of_text_positions(tokens).max()) + 1
    if encoder.device.type == "cuda":
        length = -(-length // CUDA_ROUNDING) * CUDA_ROUNDING
    return tokens[:, :length]


def states_at_the_end(encoder: TextEncoder, tokens: Tensor) -> Tensor:
    """States (n, w) at the ends of the texts (n, t); what stands for a text where an encoder does not pool."""
    states = encoder.hidden_states(trimmed(encoder, tokens))
    return states[torch.arange(len(tokens)), encoder.end_of_text_positions(tokens)]


def at_the_end(encoder: TextEncoder, tokens: Tensor) -> Tensor:
    """(n, .) what stands for each text (n, t): the pooled embedding, or the state at its end where there is none; gradients flow."""
    return encoder.embed_texts(trimmed(encoder, tokens)) if encoder.pools else states_at_the_end(encoder, tokens)


def pooled_in_buckets(encoder: TextEncoder, tokens: Tensor, n_buckets: int) -> Tensor:
    """Pooled embeddings of one batch, computed in groups of similar length; gradients flow.

    Args:
        encoder: it is not changed.
        tokens: (n, context) token ids on the CPU.
        n_buckets: groups of about n / n_buckets texts; 1 is a single pass at the longest length.

    Returns:
        (n, d) un-normalised embeddings in the order of `tokens`.
    """
    if n_buckets <= 1:
        return encoder.embed_texts(trimmed(encoder, tokens))
    order = encoder.end_of_text_positions(tokens).argsort(stable=True)
    parts = [encoder.embed_texts(trimmed(encoder, tokens[rows])) for rows in order.chunk(n_buckets)]
    return torch.cat(parts)[order.argsort().to(parts[0].device)]


def batches_alike(tokens: Tensor, lengths: Tensor, batch_size: int) -> list[Tensor]:
    """Cut texts into batches of like beginning (encoders may compute what all share once) and like length.

    Args:
        tokens: (n, context) token ids.
        lengths: (n,) of the texts, in tokens.
        batch_size: most texts a batch.

    Returns:
        Row numbers, each once; the batch with the longest text first: memory runs out at once or never.
    """
    left, groups = torch.arange(len(tokens)), []
    for n_leading in LEADING:
        _, kind, size = tokens[left, :n_leading].unique(dim=0, return_inverse=True, return_counts=True)
        is_common = size[kind] >= min(batch_size, ENOUGH_ALIKE)
        groups += [left[kind == which] for which in kind[is_common].unique()]
        left = left[~is_common]
    groups.append(left)
    by_length = [group[lengths[group].argsort(descending=True, stable=True)] for group in groups if len(group)]
    return sorted((rows for group in by_length for rows in group.split(batch_size)), key=lambda rows: -int(lengths[rows[0]]))


@torch.no_grad()
def encode(
    encoder: TextEncoder,
    texts: Sequence[str],
    kind: Kind = "pooled",
    batch_size: int = 256,
    report: Report = no_report,
) -> Tensor:
    """All texts through the encoder, in batches of like texts, so that little is computed twice or spent on padding.

    Args:
        encoder: it is not changed.
        texts: n texts, n >= 1.
        kind: "pooled" for (n, d), "hidden" for (n, context, w).
        batch_size: texts a pass.
        report: called after every pass with the number of texts done; what it raises comes out here.

    Returns:
        Un-normalised fp32 rows on the CPU, in the order of `texts`.

    Raises:
        InputError: no texts.
    """
    if not texts:
        raise InputError("There is no text to embed; give at least one.")
    tokens = encoder.tokenize(texts)  # (n, context)
    n_done = 0
    result: Tensor | None = None
    for rows in batches_alike(tokens, encoder.end_of_text_positions(tokens), batch_size):
        batch = tokens[rows]
        out = encoder.embed_texts(trimmed(encoder, batch)) if kind == "pooled" else encoder.hidden_states(batch)
        if result is None:
            result = torch.empty(len(texts), *out.shape[1:])
        result[rows] = out.float().cpu()
        n_done += len(rows)
        report(Progress(n_done, len(texts), "embedding"))
    assert result is not None  # texts is not empty
    return result


class EmbeddingCache:
    """Remembers pooled embeddings by (weights, activation, precision, device, tokenizer, texts): a few in memory, all in a folder.

    What outlives a run must hold no text that names a person of a request: a name can be found again by trying names, both
    from a file's name, which is a hash of the texts, and from the embeddings in it. Which texts may be given is told in
    `gallery.prompt_embeddings`. An unreadable file counts as absent; a folder that cannot be written costs the time of the
    next computation and nothing else.

    Args:
        folder: made when first needed; None: memory only.
        n_in_memory: results kept in memory.
        max_bytes: of all files in the folder; what was used least recently goes first.
    """

    def __init__(self, folder: Path | None, n_in_memory: int = 4, max_bytes: int = MAX_BYTES) -> None:
        self._kept = KeptTensors(folder, max_bytes) if folder is not None else None
        self._n_in_memory = n_in_memory
        self._memory: OrderedDict[str, Tensor] = OrderedDict()
        self._lock = threading.Lock()

    def embed(
        self, encoder: TextEncoder, texts: Sequence[str], batch_size: int = 256, report: Report = no_report
    ) -> Tensor:
        """(n, d) as from `encode`, from the cache where it is known."""
        key = cache_key(encoder, texts)
        with self._lock:
            embedded = self._memory.get(key)
        if embedded is None and self._kept is not None:
            embedded = self._kept.read(key, KEPT_AS)
        if embedded is None:
            embedded = encode(encoder, texts, "pooled", batch_size, report)
            if self._kept is not None:
                self._kept.write(key, KEPT_AS, embedded)
        with self._lock:
            self._memory[key] = embedded
            self._memory.move_to_end(key)
            while len(self._memory) > self._n_in_memory:
                self._memory.popitem(last=False)
        return embedded.clone()  # a caller may normalise in place


def cache_key(encoder: TextEncoder, texts: Sequence[str]) -> str:
    """A file name that changes with everything that the embeddings depend on: `identity_of`, the tokenizer, the texts and their order."""
    identity = [*identity_of(encoder), encoder.tokenizer_hash, encoder.context_length]
    return f"{FORMAT}-{hashlib.sha256(json.dumps([*identity, list(texts)]).encode()).hexdigest()}"


def identity_of(encoder: TextEncoder | ImageEncoder) -> tuple[str, ...]:
    """What tells embeddings of equal inputs apart: weights and activation, the precision, and the kind of device.

    bf16 differs from fp32 in the third digit; a GPU multiplies matrices of "fp32" in tf32.
    """
    return encoder.weights_hash, activation_of(encoder), str(encoder.precision).removeprefix("torch."), encoder.device.type


def original_cache(settings: Settings) -> EmbeddingCache:
    """The embeddings of original models, which outlive all runs."""
    return EmbeddingCache(settings.data_dir / "cache" / "embeddings", max_bytes=settings.max_cache_mb * 1_000_000)


def run_cache(run: Path, settings: Settings) -> EmbeddingCache:
    """The embeddings of a run's defended model, which are deleted with it."""
    return EmbeddingCache(run / CACHE, max_bytes=settings.max_cache_mb * 1_000_000)
