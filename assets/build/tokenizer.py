"""Cuts CLIP's byte-pair encoding to its first merges and writes it for open_clip and for transformers, with equal ids.

The merges come with open_clip (MIT licence).
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

CONTEXT_LENGTH = 40
VOCABULARY_SIZE = 4096
BPE_FILE = "bpe.txt.gz"
_SPECIAL = ("<|startoftext|>", "<|endoftext|>")


def write_bpe(folder: Path, vocabulary_size: int = VOCABULARY_SIZE) -> Path:
    """The cut merges in open_clip's format; the vocabulary is 2 x 256 bytes, the merges and two special tokens."""
    from open_clip.tokenizer import default_bpe

    lines = _lines(Path(default_bpe()))
    kept = lines[: 1 + vocabulary_size - 514]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / BPE_FILE
    path.write_bytes(gzip.compress("\n".join(kept).encode("utf-8"), mtime=0))
    return path


def write_transformers_tokenizer(bpe: Path, folder: Path, context_length: int = CONTEXT_LENGTH) -> None:
    """The same tokenizer as a transformers CLIPTokenizer folder (vocab.json, merges.txt, tokenizer_config.json)."""
    from open_clip.tokenizer import SimpleTokenizer

    encoder = SimpleTokenizer(bpe_path=str(bpe)).encoder
    vocabulary = dict(encoder)
    for ours, theirs in zip(("<start_of_text>", "<end_of_text>"), _SPECIAL, strict=True):
        vocabulary[theirs] = vocabulary.pop(ours)
    merges = _lines(bpe)[1:]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), "utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", "utf-8")
    settings = {
        "tokenizer_class": "CLIPTokenizer", "model_max_length": context_length, "bos_token": _SPECIAL[0], "eos_token": _SPECIAL[1],
        "pad_token": _SPECIAL[1], "unk_token": _SPECIAL[1], "add_prefix_space": False, "do_lower_case": True, "errors": "replace",
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")


def _lines(path: Path) -> list[str]:
    return gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")
