"""Generic captions and the split between training and evaluation."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from unlearn.errors import InputError
from unlearn.texts.captions import Split, caption_split, generate_captions, read_captions, split_items
from unlearn.texts.prompts import CHECK_TEMPLATES, PROMPT_TEMPLATES


def test_generated_captions_are_many_distinct_and_diverse() -> None:
    captions = generate_captions(30_000, seed=0)
    lengths = Counter(len(caption.split()) for caption in captions)
    words = {word for caption in captions for word in caption.split()}
    assert len(set(captions)) == 30_000
    assert set(range(1, 12)) <= set(lengths) and max(lengths) <= 20
    assert len(words) > 1_500
    assert not any("<" in caption or "  " in caption for caption in captions)


def test_generated_captions_depend_on_the_seed_alone() -> None:
    captions = generate_captions(500, seed=1)
    assert captions == generate_captions(500, seed=1)
    assert captions[:100] == generate_captions(100, seed=1)
    assert len(set(captions) & set(generate_captions(500, seed=2))) < 50


def test_generated_captions_use_the_right_article() -> None:
    captions = generate_captions(5_000)
    assert not [
        caption for caption in captions if re.search(r"\ba [aeio]|\ban [^aeiou]|\ba umbrella", caption)
    ]
    assert any("an elephant" in caption for caption in captions)


def test_generated_captions_with_a_name_put_in_are_no_evaluation_template() -> None:
    """Held out: only the bare name, which one-word captions turn into, is shared with the 21 templates."""
    held_out = set(PROMPT_TEMPLATES[1:]) | set(CHECK_TEMPLATES)
    for caption in generate_captions(20_000):
        words = caption.split()
        for i in range(len(words)):
            assert " ".join([*words[:i], "{0}", *words[i + 1 :]]) not in held_out


def test_read_captions_from_a_file_cleans_and_deduplicates(tmp_path: Path) -> None:
    path = tmp_path / "captions.txt"
    path.write_text("a  dog\n\n a dog \na cat\n...\n" + "word " * 60 + "\nein Vogel über dem See\n", "utf-8")
    assert read_captions(str(path), 10) == ["a dog", "a cat", "ein Vogel über dem See"]
    assert read_captions(str(path), 1) == ["a dog"]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe\x00a"])
def test_read_captions_from_a_useless_file_raises(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "captions.txt"
    path.write_bytes(content)
    with pytest.raises(InputError):
        read_captions(str(path), 10)


def test_read_captions_from_a_missing_file_says_which(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere.txt"):
        read_captions(str(tmp_path / "nowhere.txt"), 10)


def test_read_captions_from_the_hub_streams_the_column(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []

    def load_dataset(name: str, **options: object) -> list[dict[str, str]]:
        calls.append((name, options))
        return [{"text": "a dog"}, {"text": "a cat"}, {"text": "a bird"}]

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    assert read_captions("hub:owner/set:text", 2) == ["a dog", "a cat"]
    assert calls == [("owner/set", {"split": "train", "streaming": True})]
    with pytest.raises(InputError, match="other"):
        read_captions("hub:owner/set:other", 2)
    with pytest.raises(InputError, match="hub:owner"):
        read_captions("hub:owner/set", 2)


def test_read_captions_from_the_hub_without_the_library_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)  # importing it fails
    with pytest.raises(InputError, match=r"-m pip install datasets$"):
        read_captions("hub:owner/set:text", 2)


def test_split_puts_no_item_in_both_parts() -> None:
    split = split_items(["a", "b", "b", "c", "d", "a"], 2, seed=0)
    assert not set(split.fine_tuning) & set(split.evaluation)
    assert sorted(split.fine_tuning + split.evaluation) == ["a", "b", "c", "d"]
    assert split == split_items(["a", "b", "b", "c", "d", "a"], 2, seed=0)
    with pytest.raises(InputError):
        Split(("a",), ("a",))
    with pytest.raises(InputError):
        split_items(["a", "a"], 1, seed=0)


def test_caption_split_of_a_short_file_gives_half(tmp_path: Path) -> None:
    path = tmp_path / "captions.txt"
    path.write_text("\n".join(f"a dog number {i}" for i in range(10)), "utf-8")
    split = caption_split(str(path), 1000, 48, seed=0)
    assert (len(split.fine_tuning), len(split.evaluation)) == (5, 5)
    generated = caption_split(None, 300, 40, seed=0)
    assert (len(generated.fine_tuning), len(generated.evaluation)) == (300, 40)
