"""A text encoder with random weights, small enough for a training step in milliseconds; knows no files of a
set.

Context 32, width 64, 2 blocks, open_clip's own classes and tokenizer (a cut vocabulary).
"""

from __future__ import annotations

import gzip
import tempfile
from functools import cache
from pathlib import Path

import torch

from unlearn.encoders import OpenClipText
from unlearn.tokenization import ClipTokenizer

CONTEXT_LENGTH = 32
N_MERGES = 900


@cache
def tokenizer() -> ClipTokenizer:
    """CLIP's tokenizer with its first 900 merges."""
    from open_clip.tokenizer import default_bpe

    with gzip.open(default_bpe(), "rt", encoding="utf-8") as file:
        merges = file.read().split("\n")[: N_MERGES + 1]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bpe.txt.gz"
        with gzip.open(path, "wt", encoding="utf-8") as file:
            file.write("\n".join(merges))
        return ClipTokenizer(CONTEXT_LENGTH, path)


def tiny_text_encoder(seed: int = 0, width: int = 64, layers: int = 2) -> OpenClipText:
    """The encoder in eval mode without gradients; equal arguments give equal weights."""
    from open_clip.transformer import TextTransformer

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        tower = TextTransformer(
            context_length=CONTEXT_LENGTH,
            vocab_size=tokenizer().n_tokens,
            width=width,
            heads=4,
            layers=layers,
            output_dim=width,
        )
        with torch.no_grad():  # random towers give all texts nearly one direction; this tells them apart
            tower.token_embedding.weight.normal_(std=0.5)
    encoder = OpenClipText(tower, tokenizer(), torch.float32)
    return encoder.eval().requires_grad_(False)
