"""Names from a seed: the candidates of the attack, and bystanders for the fine-tuning.

Strings only. First and last names are faker's lists of common US names (MIT licence; the paper uses the census and baby-name
lists behind such collections). Equal arguments give equal names in equal order on every machine; they change only if faker's
lists do.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import zip_longest

from unlearn.config import name_key
from unlearn.errors import ConfigError


@cache
def us_names() -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """(male first names, female first names, last names), each sorted and without repetition."""
    from faker.providers.person.en_US import Provider  # here, because importing faker takes a second

    male, female = set(Provider.first_names_male), set(Provider.first_names_female)
    last = set(Provider.last_names)
    return tuple(sorted(male - female)), tuple(sorted(female - male)), tuple(sorted(last))


def random_names(n_names: int, seed: int, exclude: Iterable[str] = ()) -> list[str]:
    """`n_names` different random names, first and last, male and female in turn (male first).

    Args:
        n_names: how many, up to about 600,000.
        seed: equal seeds give equal names; a longer list begins with the shorter one.
        exclude: names that must not come out, however they are written.

    Raises:
        ConfigError: there are not that many.
    """
    male, female, last = us_names()
    if n_names > min(len(male), len(female)) * len(last):
        raise ConfigError(f"{n_names} names are more than faker's lists give; ask for fewer.")
    generator = random.Random(f"names {seed}")  # a str seed is hashed by SHA-512, the same everywhere
    taken = set(map(name_key, exclude))
    names: list[str] = []
    while len(names) < n_names:
        first = generator.choice(female if len(names) % 2 else male)
        name = f"{first} {generator.choice(last)}"
        if (key := name_key(name)) not in taken:
            taken.add(key)
            names.append(name)
    return names


def candidate_names(
    names: Sequence[str], n_candidates: int, seed: int, exclude: Iterable[str] = ()
) -> list[str]:
    """The names that the attack chooses among: all of `names` and random ones, shuffled with the seed.

    Args:
        names: the persons' real names; all of them are among the result, each once.
        n_candidates: K, the length of the result.
        seed: draws and shuffles.
        exclude: further names that must not come out (aliases, for example); does not remove from `names`.

    Raises:
        ConfigError: more names than candidates.

    Source: Hintersdorf et al. 2024, appendix A.2 (K = 1000).
    """
    distinct = list({name_key(name): name for name in reversed(names)}.values())[::-1]
    if len(distinct) > n_candidates:
        raise ConfigError(f"{len(distinct)} persons do not fit among {n_candidates} candidate names; raise it.")
    candidates = distinct + random_names(n_candidates - len(distinct), seed, (*distinct, *exclude))
    random.Random(f"candidates {seed}").shuffle(candidates)
    return candidates


def bystander_names(triggers: Sequence[str], n_names: int, seed: int) -> list[str]:
    """Names of other people, to keep while the triggers are forgotten; none of them is a trigger.

    Where a trigger has several words, about half of the names share its first or last word ("Ann Lee" gives "Ann Miller" and
    "Carol Lee"), because such names are the first to be forgotten by mistake.
    """
    strangers = random_names(n_names, seed, triggers)
    forbidden = set(map(name_key, triggers))
    full = [trigger.split() for trigger in triggers if len(trigger.split()) > 1]
    if not full:
        return strangers
    neighbours: dict[str, None] = {}
    for i, stranger in enumerate(strangers[: n_names // 2]):
        first, last = stranger.split(" ", 1)
        words = full[(i // 2) % len(full)]
        name = f"{words[0]} {last}" if i % 2 else f"{first} {words[-1]}"
        if name_key(name) not in forbidden:
            neighbours[name] = None
    mixed = [name for pair in zip_longest(neighbours, strangers[len(neighbours) :]) for name in pair if name is not None]
    return list(dict.fromkeys(mixed))
