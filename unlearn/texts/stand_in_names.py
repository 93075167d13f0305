"""Names for stand-ins: drawn from a seed, and looked at as strings.

Whether a model knows a name is measured in `defence.stand_ins`.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from unlearn.config import name_key
from unlearn.texts.names import us_names


class Resemblance:
    """Whether a name looks like one of many: a part of it (first name, last name) is one of theirs, but for one letter.

    Two words resemble each other if leaving out at most one letter of each makes them equal: "Jon" and "John", "Brian" and
    "Brain", but not "Ann" and "Joan". All of that is looked up; the names are not compared one by one.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._shortened = {form for name in names for word in name_key(name).split() for form in _shortened(word)}

    def n_parts(self, name: str) -> int:
        """How many words of the name are, or resemble, a part of one of the names."""
        return sum(not self._shortened.isdisjoint(_shortened(word)) for word in name_key(name).split())


def _shortened(word: str) -> set[str]:
    """The word, and what is left of it without one letter; a single letter resembles only itself."""
    return {word} if len(word) < 2 else {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}


def drawn_names(n_names: int, seed: int, refused: Iterable[str]) -> list[str]:
    """`n_names` different names, first and last, from the lists of the library faker (some 600,000 pairs).

    Other names than `texts.names.random_names` draws from the same seed.

    Args:
        n_names: how many; far fewer than there are.
        seed: equal arguments give equal names; a longer list begins with the shorter one.
        refused: names that must not come out, however they are written.
    """
    male, female, last = us_names()
    generator = random.Random(f"stand-ins {seed}")
    keys = {name_key(name) for name in refused}
    names: list[str] = []
    while len(names) < n_names:
        name = f"{generator.choice(female if generator.random() < 0.5 else male)} {generator.choice(last)}"
        if name_key(name) not in keys:
            keys.add(name_key(name))
            names.append(name)
    return names
