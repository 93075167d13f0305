"""CLIP's byte-pair tokenizer, faster than open_clip's own and equal to it, with a padding token of choice.

open_clip repairs and unescapes every text and tokenizes every word anew, which takes longer than a small encoder does. Plain
ASCII needs no repair, and words repeat: both are remembered here.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unlearn.errors import ModelLoadError

MAX_WORDS = 100_000  # remembered at most


class ClipTokenizer:
    """Texts -> token ids (n, context_length), as open_clip's `SimpleTokenizer` gives them.

    Args:
        context_length: longer texts are cut before the end-of-text token.
        bpe_path: gzip file of merges; None: the one that came with CLIP.
        options: further arguments of `SimpleTokenizer`.

    Raises:
        ModelLoadError: the merges cannot be read.
    """

    def __init__(self, context_length: int, bpe_path: Path | None = None, **options: Any) -> None:
        from open_clip.tokenizer import SimpleTokenizer

        if bpe_path is not None:
            options["bpe_path"] = str(bpe_path)
        try:
            self._slow = SimpleTokenizer(context_length=context_length, **options)
        except (OSError, TypeError, UnicodeDecodeError, EOFError, AssertionError) as error:
            raise ModelLoadError(f"The tokenizer cannot be loaded from {bpe_path or 'open_clip'}: {error}.") from error
        self._is_lowering = options.get("clean", "lower") == "lower"
        self._words: dict[str, list[int]] = {}
        self.context_length = context_length
        self.pad_id = 0
        self.n_tokens = int(self._slow.vocab_size)

    def __deepcopy__(self, memo: dict[int, Any]) -> ClipTokenizer:
        return self  # large and never changed: shared

    @cached_property
    def vocabulary_hash(self) -> str:
        """16 hex digits of tokens and their numbers."""
        return hashlib.sha256("\n".join(self._slow.encoder).encode()).hexdigest()[:16]

    @cached_property
    def words(self) -> dict[int, str]:
        """Number -> text of the tokens that are whole words of letters; any sequence of them, joined by spaces, is read as these tokens."""
        texts = {number: token.removesuffix("</w>") for token, number in self._slow.encoder.items() if token.endswith("</w>")}
        return {number: text for number, text in texts.items() if text.isascii() and text.isalpha() and self.encode(text) == [number]}

    def __call__(self, texts: Sequence[str], repair: bool = True) -> Tensor:
        """Token ids (n, context_length), int64; without `repair` those of transformers' tokenizer, which takes texts as they are."""
        first, last, length = self._slow.sot_token_id, self._slow.eot_token_id, self.context_length
        rows = []
        for text in texts:
            tokens = self.encode(text, repair)[: length - 2]
            rows.append([first, *tokens, last] + [self.pad_id] * (length - 2 - len(tokens)))
        return torch.tensor(rows, dtype=torch.int64).view(len(rows), length)

    def encode(self, text: str, repair: bool = True) -> list[int]:
        """The ids of a text, without those of its start and end, uncut."""
        is_plain = self._is_lowering and text.isascii() and text.isprintable() and "&" not in text
        if not is_plain and (repair or not self._is_lowering):
            ids: list[int] = self._slow.encode(text)
            return ids
        if not is_plain:
            # character by character, as transformers does; Python writes a sigma at the end of a word in another way
            text = "".join(map(str.lower, " ".join(unicodedata.normalize("NFC", text).split())))
        return [number for word in self._slow.pat.findall(text.strip().lower() if is_plain else text) for number in self._word(word)]

    def _word(self, word: str) -> list[int]:
        """The ids of what the tokenizer's pattern takes for a word, in lower case."""
        ids = self._words.get(word)
        if ids is None:
            letters = "".join(self._slow.byte_encoder[byte] for byte in word.encode())
            ids = [self._slow.encoder[part] for part in self._slow.bpe(letters).split(" ")]
            if len(self._words) < MAX_WORDS:
                self._words[word] = ids
        return ids
