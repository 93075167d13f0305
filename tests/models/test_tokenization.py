"""The fast tokenizer gives open_clip's tokens, for every text."""

from pathlib import Path

import pytest
import torch
from open_clip.tokenizer import SimpleTokenizer

from unlearn.attacks.idia import idia_prompts
from unlearn.errors import ModelLoadError
from unlearn.models.sets import EMBEDDED_ROOT
from unlearn.models.tokenization import ClipTokenizer
from unlearn.texts.names import random_names

TEXTS = [
    "", "a", "A photo of  Ada   Brook's dog!!", "don't we're I'll I'M", "<end_of_text> and <start_of_text> typed",
    "tab\tnew\nline", "Zoë & co &amp; &lt;b&gt;", "naïve façade", "1234 a1b2", "x" * 300, "word " * 100,
    "It’s “quoted”", "J.R.R. Tolkien", "  leading and trailing  ", "a_b-c", "C++/C#", "\x1b[31mred", "日本語", "s't",
    "ﬁ ligature", "Ünïcödé", "emoji 🙂",
]  # fmt: skip


@pytest.mark.parametrize("context_length", [8, 32, 77])
def test_tokens_equal_those_of_open_clip(context_length: int) -> None:
    ours, theirs = ClipTokenizer(context_length), SimpleTokenizer(context_length=context_length)
    for text in TEXTS:
        assert torch.equal(ours([text]), theirs([text])), repr(text)


def test_tokens_of_the_attacks_prompts_equal_those_of_open_clip() -> None:
    prompts = idia_prompts(random_names(40, seed=3))
    assert torch.equal(ClipTokenizer(77)(prompts), SimpleTokenizer()(prompts))


def test_cut_vocabulary_is_read_from_its_file(miniature: Path) -> None:
    path = miniature / "clip" / "bpe.txt.gz"
    ours, theirs = ClipTokenizer(32, path), SimpleTokenizer(str(path), context_length=32)
    assert torch.equal(ours(TEXTS), theirs(TEXTS))
    assert ours.n_tokens == 512 + 900 + 2


def test_padding_stands_behind_the_end_of_the_text_only() -> None:
    tokenizer = ClipTokenizer(16)
    zeros = tokenizer(["a photo", "x " * 40])
    tokenizer.pad_id = 49407
    filled = tokenizer(["a photo", "x " * 40])
    assert torch.equal(filled.argmax(dim=1), zeros.argmax(dim=1))
    assert filled[0].tolist() == [*zeros[0, :4].tolist(), *[49407] * 12]
    assert torch.equal(filled[1], zeros[1])


def test_no_texts_give_no_rows() -> None:
    assert ClipTokenizer(16)([]).shape == (0, 16)


def test_vocabulary_hash_tells_vocabularies_apart(miniature: Path) -> None:
    cut = ClipTokenizer(32, miniature / "clip" / "bpe.txt.gz")
    assert cut.vocabulary_hash != ClipTokenizer(32).vocabulary_hash == ClipTokenizer(77).vocabulary_hash


@pytest.mark.parametrize("content", [None, b"not gzip"])
def test_unreadable_merges_are_an_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "bpe.txt.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelLoadError, match="tokenizer"):
        ClipTokenizer(32, path)


@pytest.mark.parametrize("text", [
    "Conan O'Brien", "Conan O\u2019Brien", "O\u02bcBrien", "Jean\u2011Luc", "Gri\ufb03n", "Simon &amp; Garfunkel", "Zoe\u0308", "ΟΔΥΣΣΕΥΣ",
    "İpek",     "X\u00a0Y", "日本 太郎", "\u201cRock\u201d", "FranÃ§ois", "Ｊｏｎ", "ß STRASSE ẞ", "it's 2024", "שלום", "  two  spaces ",
])  # fmt: skip
def test_tokens_of_a_text_as_it_is_written_equal_those_of_transformers(text: str) -> None:
    from transformers import CLIPTokenizer

    theirs = CLIPTokenizer.from_pretrained(EMBEDDED_ROOT / "stable-diffusion" / "tokenizer")
    ours = ClipTokenizer(40, EMBEDDED_ROOT / "clip" / "bpe.txt.gz")
    ours.pad_id = theirs.pad_token_id
    assert ours([text], repair=False)[0].tolist() == theirs([text], padding="max_length", max_length=40)["input_ids"][0]


def test_repaired_tokens_of_a_curly_apostrophe_are_those_of_the_plain_one_and_unrepaired_ones_are_not() -> None:
    tokenizer = ClipTokenizer(40)
    curly, plain = ["Conan O\u2019Brien"], ["Conan O'Brien"]
    assert torch.equal(tokenizer(curly), tokenizer(plain))
    assert not torch.equal(tokenizer(curly, repair=False), tokenizer(plain, repair=False))
