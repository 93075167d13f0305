"""Captions without people's names, and the split between what is trained on and what is measured on.

Captions are made by a small grammar (`assets/captions/vocabulary.txt`), so that nothing has to be downloaded, or are read from
a text file or a data set of the Hugging Face Hub.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Generic, TypeVar

from unlearn.errors import ConfigError, InputError
from unlearn.hub import HUB_PREFIX, hub_column

Item = TypeVar("Item")

VOCABULARY_FILE = Path(__file__).resolve().parent.parent.parent / "assets" / "captions" / "vocabulary.txt"
PROJECT = Path(__file__).resolve().parent.parent.parent
MAX_CAPTION_WORDS = 40  # longer lines would be cut by every CLIP tokenizer


@dataclass(frozen=True)
class Split(Generic[Item]):
    """Items for fine-tuning and items for evaluation; no item is in both.

    Raises:
        InputError: an item is in both parts.
    """

    fine_tuning: tuple[Item, ...]
    evaluation: tuple[Item, ...]

    def __post_init__(self) -> None:
        both = set(self.fine_tuning) & set(self.evaluation)
        if both:
            raise InputError(f"{len(both)} items are in both parts of a split; they must differ.")


def split_items(items: Sequence[Item], n_evaluation: int, seed: int) -> Split[Item]:
    """A split drawn from the seed; repeated items count once, so that no copy slips into the other part.

    Raises:
        InputError: nothing would be left for fine-tuning.
    """
    distinct = list(dict.fromkeys(items))
    if n_evaluation >= len(distinct):
        raise InputError(f"{len(distinct)} different items are too few to set {n_evaluation} apart.")
    random.Random(f"split {seed}").shuffle(distinct)
    return Split(tuple(distinct[n_evaluation:]), tuple(distinct[:n_evaluation]))


@cache
def _vocabulary() -> dict[str, tuple[list[str], list[int]]]:
    """symbol -> (entries, cumulative weights), from the vocabulary file."""
    lists: dict[str, list[tuple[int, str]]] = {}
    entries: list[tuple[int, str]] = []
    for line in VOCABULARY_FILE.read_text(encoding="utf-8").splitlines():
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            entries = lists.setdefault(line[1:-1], [])
        elif line and not line.startswith("#"):
            for entry in line.split(" | "):
                weight, star, text = entry.partition("* ")
                entries.append((int(weight), text) if star else (1, entry))
    grammar = {}
    for symbol, weighted in lists.items():
        total = 0
        cumulative = [total := total + weight for weight, _ in weighted]
        grammar[symbol] = ([text for _, text in weighted], cumulative)
    return grammar


def _expand(symbol: str, generator: random.Random) -> str:
    texts, cumulative = _vocabulary()[symbol]
    text = generator.choices(texts, cum_weights=cumulative)[0]
    return re.sub(r"<(\w+)>", lambda match: _expand(match.group(1), generator), text)


def _with_articles(caption: str) -> str:
    """Every "a" before a vowel sound as "an", every "an" before a consonant as "a"."""
    caption = re.sub(r"\ba (?=[aeiou])(?!uni|use|euro|one\b)", "an ", caption)
    return re.sub(r"\ban (?![aeiou])", "a ", caption)


def generate_captions(n_captions: int, seed: int = 0) -> list[str]:
    """`n_captions` different generic captions of 1 to about 16 words, lower case, without names.

    Equal seeds give equal captions on every machine; a longer list begins with the shorter one.

    Raises:
        ConfigError: the grammar does not hold so many (it holds well over 500,000).
    """
    generator = random.Random(f"captions {seed}")
    captions: dict[str, None] = {}
    repeated = 0
    while len(captions) < n_captions:
        before = len(captions)
        captions.setdefault(_with_articles(_expand("caption", generator)))
        repeated = 0 if len(captions) > before else repeated + 1
        if repeated > 1000:
            raise ConfigError(f"The caption grammar has fewer than {n_captions} captions; ask for fewer.")
    return list(captions)


def read_captions(source: str, n_captions: int) -> list[str]:
    """The first `n_captions` different, usable captions of a text file (UTF-8, one a line) or of the Hub.

    Args:
        source: a path, or "hub:owner/data-set:column" (split "train", streamed; needs the library
            `datasets`).
        n_captions: at most so many.

    Raises:
        InputError: missing, unreadable, or without a single caption; says which.
    """
    rows = map(str, hub_column(source, "captions")) if source.startswith(HUB_PREFIX) else _file_rows(source)
    usable = (" ".join(row.split()) for row in rows)
    distinct: dict[str, None] = {}
    try:
        for caption in usable:
            if 0 < len(caption.split()) <= MAX_CAPTION_WORDS and any(c.isalnum() for c in caption):
                distinct[caption] = None
            if len(distinct) >= n_captions:
                break
    except UnicodeDecodeError as error:
        raise InputError(f"The caption file {source} is not UTF-8 text; save it as UTF-8.") from error
    if not distinct:
        raise InputError(f"No caption was found in {source}; give one caption a line.")
    return list(distinct)


def text_file(source: str) -> Path:
    """The file of a source that is not the Hub's; shipped captions are named relative to the project in configs that travel."""
    path = Path(source)
    return path if path.is_absolute() or path.is_file() else PROJECT / path


def _file_rows(source: str) -> Iterable[str]:
    try:
        with text_file(source).open(encoding="utf-8") as file:
            yield from file
    except OSError as error:
        raise InputError(f"The caption file {source} cannot be read ({error.strerror}).") from error


def caption_split(source: str | None, n_captions: int, n_evaluation: int, seed: int) -> Split[str]:
    """Captions for fine-tuning and others for evaluation. Names are not looked at here (see `prompts`).

    Args:
        source: None: generated; else see `read_captions`.
        n_captions: for fine-tuning, at most.
        n_evaluation: for evaluation; a source with fewer than twice as many gives half of its captions.
        seed: of generation and split.

    Raises:
        InputError: fewer than two captions.
    """
    wanted = n_captions + n_evaluation
    found = generate_captions(wanted, seed) if source is None else read_captions(source, wanted)
    if len(found) < 2:
        raise InputError("One caption cannot be split into training and evaluation; give more captions.")
    return split_items(found, min(n_evaluation, len(found) // 2), seed)
