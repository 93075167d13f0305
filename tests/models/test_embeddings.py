"""Batched encoding: exact whatever the batches, and remembered under the right key."""

from __future__ import annotations

import copy
import errno
from itertools import accumulate
from pathlib import Path

import pytest
import torch

from tests.support.tiny_encoder import CONTEXT_LENGTH, tiny_text_encoder
from unlearn.bench import oracle_texts
from unlearn.config import Settings
from unlearn.errors import InputError, JobCancelled
from unlearn.models.causal_transformer import n_shared_tokens
from unlearn.models.clip import load_clip
from unlearn.models.embeddings import EmbeddingCache, batches_alike, cache_key, encode, identity_of, pooled_in_buckets, trimmed
from unlearn.models.encoders import OpenClipText
from unlearn.progress import Progress
from unlearn.texts.prompts import PROMPT_TEMPLATES, fill_all

TEXTS = fill_all(PROMPT_TEMPLATES, ["Ann Lee", "Maximilian von Habsburg-Lothringen", "李小龍", "Bo"])


@pytest.fixture(scope="module")
def encoder() -> OpenClipText:
    return tiny_text_encoder()


def test_encode_agrees_with_the_oracle_at_full_length(encoder: OpenClipText) -> None:
    found = torch.nn.functional.normalize(encode(encoder, TEXTS, batch_size=7), dim=1)
    assert torch.allclose(found, oracle_texts.embed_prompts(encoder, TEXTS), atol=1e-5)


def test_encode_hidden_agrees_with_the_oracle(encoder: OpenClipText) -> None:
    with torch.no_grad():
        expected = oracle_texts.embed(encoder, TEXTS, "hidden")
    found = encode(encoder, TEXTS, "hidden", batch_size=9)
    assert found.shape == (len(TEXTS), CONTEXT_LENGTH, 64)
    assert torch.allclose(found.flatten(1), expected, atol=1e-5)


def test_encode_reports_every_pass_and_can_be_cancelled(encoder: OpenClipText) -> None:
    seen: list[tuple[int, int]] = []

    def report(progress: Progress) -> None:
        seen.append((progress.step, progress.total))
        if len(seen) == 3:
            raise JobCancelled

    with pytest.raises(JobCancelled):
        EmbeddingCache(None).embed(encoder, TEXTS, batch_size=20, report=report)
    tokens = encoder.tokenize(TEXTS)
    batches = batches_alike(tokens, encoder.end_of_text_positions(tokens), 20)
    assert seen == [(n_done, 84) for n_done in accumulate(map(len, batches))][:3]


def test_batches_hold_every_text_once_and_keep_those_that_begin_alike_together(encoder: OpenClipText) -> None:
    tokens = encoder.tokenize([text for pair in zip(TEXTS, reversed(TEXTS), strict=True) for text in pair] * 3)
    lengths = encoder.end_of_text_positions(tokens)
    batches = batches_alike(tokens, lengths, 12)
    assert sorted(int(row) for rows in batches for row in rows) == list(range(len(tokens)))
    assert all(0 < len(rows) <= 12 for rows in batches)
    longest = [int(lengths[rows].max()) for rows in batches]
    assert longest == sorted(longest, reverse=True)
    n_shared = [n_shared_tokens(tokens[rows]) for rows in batches if len(rows) > 1]
    assert sorted(n_shared)[len(n_shared) // 2] >= 4, "most batches share the words before the name"


def test_encode_of_no_texts_raises(encoder: OpenClipText) -> None:
    with pytest.raises(InputError):
        encode(encoder, [])


def test_trimmed_cuts_behind_the_longest_text_and_no_further(encoder: OpenClipText) -> None:
    tokens = encoder.tokenize(["a dog", "a large brown dog"])
    assert trimmed(encoder, tokens).shape[1] == int(tokens.argmax(dim=1).max()) + 1 < CONTEXT_LENGTH
    full = encoder.tokenize(["dog " * 60])
    assert torch.equal(trimmed(encoder, full), full)


@pytest.mark.parametrize("n_buckets", [1, 2, 5, 500])
def test_pooled_in_buckets_keeps_order_values_and_gradients(encoder: OpenClipText, n_buckets: int) -> None:
    student = tiny_text_encoder().requires_grad_(True)
    tokens = student.tokenize(TEXTS)
    found = pooled_in_buckets(student, tokens, n_buckets)
    assert torch.allclose(found, encoder.embed_texts(tokens), atol=1e-5)
    found.sum().backward()
    assert all(p.grad is not None for p in student.blocks.parameters())


def test_cache_gives_equal_embeddings_without_the_encoder(
    encoder: OpenClipText, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = EmbeddingCache(tmp_path).embed(encoder, TEXTS)
    first_copy = first.clone()
    monkeypatch.setattr(OpenClipText, "embed_texts", None)  # would fail if it were called
    cache = EmbeddingCache(tmp_path)
    assert torch.equal(cache.embed(encoder, TEXTS), first)
    first.zero_()
    cache.embed(encoder, TEXTS).zero_()  # what a caller does to the result stays with the caller
    assert torch.equal(cache.embed(encoder, TEXTS), first_copy)


def test_cache_files_do_not_tell_names(encoder: OpenClipText, tmp_path: Path) -> None:
    EmbeddingCache(tmp_path / "deep" / "er").embed(encoder, ["Ann Lee"])
    (file,) = (tmp_path / "deep" / "er").iterdir()
    assert file.name == f"{cache_key(encoder, ['Ann Lee'])}.safetensors"
    assert b"Ann" not in file.read_bytes()


def test_cache_key_changes_with_weights_texts_and_order(encoder: OpenClipText) -> None:
    keys = {
        cache_key(encoder, ["a", "b"]),
        cache_key(encoder, ["b", "a"]),
        cache_key(encoder, ["a", "b", "b"]),
        cache_key(tiny_text_encoder(seed=1), ["a", "b"]),
    }
    assert len(keys) == 4
    assert cache_key(tiny_text_encoder(), ["a", "b"]) in keys


def test_cache_with_a_damaged_file_computes_again(encoder: OpenClipText, tmp_path: Path) -> None:
    expected = EmbeddingCache(tmp_path).embed(encoder, TEXTS)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:50])
    assert torch.equal(EmbeddingCache(tmp_path).embed(encoder, TEXTS), expected)


def test_cache_in_memory_forgets_the_oldest(encoder: OpenClipText) -> None:
    cache = EmbeddingCache(None, n_in_memory=2)
    for text in ("a", "b", "c"):
        cache.embed(encoder, [text])
    assert list(cache._memory) == [cache_key(encoder, ["b"]), cache_key(encoder, ["c"])]


def test_cache_key_changes_with_the_activation(miniature: Path, settings: Settings) -> None:
    first, second = (load_clip(f"{miniature}@{kind}", settings).text for kind in ("gelu", "quick_gelu"))
    assert first.weights_hash == second.weights_hash
    assert cache_key(first, ["a"]) != cache_key(second, ["a"])


def test_cache_key_changes_with_precision_and_device(encoder: OpenClipText) -> None:
    """What was computed in bf16 must not be taken for fp32, nor a GPU's result for a CPU's."""
    half = copy.deepcopy(encoder)
    half.precision = torch.bfloat16
    assert cache_key(half, ["a"]) != cache_key(encoder, ["a"]) == cache_key(copy.deepcopy(encoder), ["a"])
    assert identity_of(half)[2:] == ("bfloat16", "cpu") and identity_of(half)[:2] == identity_of(encoder)[:2]
    found, exact = (EmbeddingCache(None).embed(one, TEXTS) for one in (half, encoder))
    assert not torch.equal(found, exact)


def test_cache_in_a_place_that_cannot_be_written_is_done_without(
    encoder: OpenClipText, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "Ann Lee").write_text("")
    found = EmbeddingCache(tmp_path / "Ann Lee").embed(encoder, ["Ann Lee"])
    assert torch.equal(found, encode(encoder, ["Ann Lee"]))
    assert "cannot be kept" in caplog.text and "free some space" not in caplog.text
    assert "Ann" not in caplog.text


def test_cache_on_a_full_disk_is_done_without_and_leaves_no_part(
    encoder: OpenClipText, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: str, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    EmbeddingCache(tmp_path).embed(encoder, ["a"])
    assert "free some space" in caplog.text
    assert list(tmp_path.iterdir()) == []
