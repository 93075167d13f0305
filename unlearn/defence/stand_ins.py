"""Stand-ins: a name of their own, which the original does not know, for every person of a run; and the decoys.

What the original knows of a name is measured without photos. To a text encoder the names of people whom it never met are much
alike, and it embeds a name that it knows elsewhere. So a drawn name counts as unknown if it lies no further from the mean of a
crowd of drawn names than half of that crowd does. On the embedded set that refuses all 62 names and aliases of members, 9 of 16
strangers, and half of all drawn names, of which there are plenty; see `KNOWN_QUANTILE`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from unlearn.config import Person, ResolvedConfig, name_key
from unlearn.defence.text_task import kept_names
from unlearn.errors import ConfigError
from unlearn.models.clip import Clip
from unlearn.models.embeddings import encode, states_at_the_end
from unlearn.models.encoders import TextEncoder
from unlearn.texts.prompts import fill
from unlearn.texts.stand_in_names import Resemblance, drawn_names

N_CROWD = 256  # drawn names that tell where unknown names lie
N_DRAWN = 128  # names to choose among, at least
N_DRAWN_EACH = 8  # and at least so many for each that is wanted
MAX_TOKENS = 12  # start and end among them
KNOWN_QUANTILE = 0.5  # of the crowd's distances, above which a name is not taken
TEMPLATES = ("{0}", "a photo of {0}")


def with_stand_ins(config: ResolvedConfig, original: Clip, candidates: Iterable[str]) -> ResolvedConfig:
    """The config with a stand-in for every person, and with its decoys; with the neutral term as target, without both.

    A person's name and aliases share one stand-in; no two persons share one. Equal seeds give equal stand-ins. What the config names
    already is kept. A stand-in is never a candidate of the attack, an alias, a trigger or a kept name; no part of it resembles a
    part of a trigger, nor, if there are enough others, of a kept name. Among those left the one with the person's number of
    tokens goes first, so that the words behind it stay where they are.

    Args:
        config: complete but for these names.
        original: whose text encoders must not know the names.
        candidates: names of the attack and of a world's people, aliases among them.

    Raises:
        ConfigError: too few of the drawn names are unknown to the original.
    """
    if config.target != "stand_in":
        persons = tuple(replace(person, stand_in=None) for person in config.persons)
        return replace(config, persons=persons, n_decoys=0, decoys=())
    texts = original.text_encoders
    triggers = [trigger for person in config.persons for trigger in person.triggers]
    kept = kept_names(config.text.kept_names, triggers) if config.text.kept_names else []
    n_missing = 2 * (config.n_decoys - len(config.decoys)) + sum(person.stand_in is None for person in config.persons)
    drawn = drawn_names(max(N_DRAWN, N_DRAWN_EACH * n_missing), config.seed, (*candidates, *kept, *config.names_in_use))
    unlike, alike = Resemblance(triggers), Resemblance(kept)
    short = [name for name in drawn if all(encoder.n_tokens(name) <= MAX_TOKENS for encoder in texts)]
    fitting = [name for name in unknown_names(short, texts, config.seed) if not unlike.n_parts(name)]
    choice = _Choice(sorted(fitting, key=alike.n_parts), original.text)
    persons = tuple(
        person if person.stand_in is not None else replace(person, stand_in=choice.take(person.name)) for person in config.persons
    )
    decoys = [Person(name := choice.take(), stand_in=choice.take(name)) for _ in range(config.n_decoys - len(config.decoys))]
    return replace(config, persons=persons, decoys=(*config.decoys, *decoys))


class _Choice:
    """Names in the order in which they are given away, each once."""

    def __init__(self, names: Sequence[str], encoder: TextEncoder) -> None:
        self._names = list(names)
        self._encoder = encoder

    def take(self, like: str | None = None) -> str:
        """The next name; of the first few the one whose number of tokens is nearest to that of `like`."""
        if not self._names:
            raise ConfigError("Too few drawn names are unknown to this model; take another seed, or the neutral term as target.")
        if like is None:
            return self._names.pop(0)
        n_tokens = self._encoder.n_tokens(like)
        first = self._names[:N_DRAWN_EACH]
        name = min(first, key=lambda one: abs(self._encoder.n_tokens(one) - n_tokens))
        self._names.remove(name)
        return name


def strangers_names(original: Clip, n_names: int, n_drawn: int, seed: int, refused: Iterable[str]) -> list[str]:
    """Names that the original does not know; as far as none of them is refused, the same for every run.

    Args:
        original: whose text encoders must not know the names.
        n_names: how many, at most.
        n_drawn: names drawn to choose among; about half of them are unknown enough.
        seed: of the names.
        refused: names that must not be among them, however they are written.
    """
    keys = {name_key(name) for name in refused}
    unknown = unknown_names(drawn_names(n_drawn, seed, ()), original.text_encoders, seed)
    return [name for name in unknown if name_key(name) not in keys][:n_names]


def unknown_names(names: Sequence[str], encoders: Sequence[TextEncoder], seed: int) -> list[str]:
    """Those of the names that lie, for every encoder, where the nearer half of a crowd of drawn names lies."""
    crowd = drawn_names(N_CROWD, seed=-1 - seed, refused=names)
    unknown = torch.ones(len(names), dtype=torch.bool)
    for encoder in encoders:
        distances, of_crowd = distances_from_crowd(encoder, names, crowd)
        unknown &= distances <= of_crowd.quantile(KNOWN_QUANTILE)
    return [name for name, is_unknown in zip(names, unknown.tolist(), strict=True) if is_unknown]


def distances_from_crowd(encoder: TextEncoder, names: Sequence[str], crowd: Sequence[str]) -> tuple[Tensor, Tensor]:
    """How far an encoder takes each name (n,), and each of the crowd (c,), to lie from the mean of the crowd.

    That is 1 - cosine, the mean over two templates.
    """
    distances = torch.zeros(len(names) + len(crowd))
    for template in TEMPLATES:
        directions = functional.normalize(_at_the_end(encoder, [fill(template, name) for name in (*names, *crowd)]), dim=1)
        mean = directions[len(names) :].mean(dim=0, keepdim=True)
        distances += (1 - functional.cosine_similarity(directions, mean)) / len(TEMPLATES)
    return distances[: len(names)], distances[len(names) :]


@torch.no_grad()
def _at_the_end(encoder: TextEncoder, texts: Sequence[str]) -> Tensor:
    """What the encoder makes of each text (n, d): its pooled embedding, or, where it has none, the state at the end of the text."""
    if encoder.pools:
        return encode(encoder, texts)
    return torch.cat([states_at_the_end(encoder, tokens).float().cpu() for tokens in encoder.tokenize(texts).split(N_CROWD)])
