"""Who stands in for whose face: chosen from the seed among anonymous people, each for one person only.

A face that the original knows is no stand-in: remapped to it, a person would be taken for somebody else. Which names a face goes by
is asked in phrasings that the attack does not use, against a crowd of drawn names that nobody bears.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from unlearn.config import ResolvedConfig
from unlearn.defence.text_task import kept_names
from unlearn.errors import ConfigError
from unlearn.models.embeddings import encode
from unlearn.models.encoders import TextEncoder
from unlearn.texts.names import random_names
from unlearn.texts.prompts import CHECK_TEMPLATES, fill

N_CROWD = 64  # drawn names, at least, and as many as the names that are asked for: a name has to beat all of them
CROWD_SEED = 20_000
KNOWN_SHARE = 0.5  # of the phrasings in which a kept or forgotten name fits somebody whom the original knows
ALIKE_SHARE = 0.25  # of the people, those who look most like a person do not stand in for that person


def chosen_stand_ins(encoder: TextEncoder, config: ResolvedConfig, faces: Tensor, people: Tensor) -> list[int]:
    """The number of a stand-in for each person; equal arguments give equal numbers, and none comes twice.

    Nobody is a stand-in who is recognised under a name that the run keeps or forgets. Nobody stands in for a person whose names, or
    the name of whose stand-in, fit the face: where both encoders are defended, the two stand-ins would find each other.

    Args:
        encoder: the original's text encoder.
        config: of the run: names, stand-ins' names, names to keep, seed.
        faces: mean embeddings (persons, d) of the faces to forget.
        people: mean embeddings (people, d) of those to choose among.

    Raises:
        ConfigError: somebody finds no stand-in.
    """
    triggers = [trigger for person in config.persons for trigger in person.triggers]
    kept = kept_names(config.text.kept_names, triggers) if config.text.kept_names else []
    own = [[name for name in (*person.triggers, person.stand_in) if name is not None] for person in config.persons]
    names = list(dict.fromkeys([*kept, *triggers, *(name for group in own for name in group)]))
    shares = fitting_shares(encoder, names, people)  # (names, people)
    place = {name: number for number, name in enumerate(names)}
    is_known = (shares[[place[name] for name in (*kept, *triggers)]] >= KNOWN_SHARE).any(dim=0)  # (people,)
    fits = torch.stack([shares[[place[name] for name in group]].amax(dim=0) > 0 for group in own])  # (persons, people)
    return assigned(~is_known & ~fits & ~_alike(faces, people), config.seed)


def fitting_shares(encoder: TextEncoder, names: Sequence[str], people: Tensor) -> Tensor:
    """The share of the phrasings in which each name fits each face better than every name of a crowd: (names, people)."""
    crowd = random_names(max(N_CROWD, len(names)), CROWD_SEED, exclude=names)
    directions = functional.normalize(people, dim=-1).T  # (d, people)
    texts = [fill(template, name) for template in CHECK_TEMPLATES for name in (*names, *crowd)]
    rows = functional.normalize(encode(encoder, texts), dim=-1).view(len(CHECK_TEMPLATES), len(names) + len(crowd), -1)
    nearness = rows @ directions  # (phrasings, names + crowd, people)
    wins = nearness[:, : len(names)] > nearness[:, len(names) :].amax(dim=1, keepdim=True)
    return wins.float().mean(dim=0)


def _alike(faces: Tensor, people: Tensor) -> Tensor:
    """Whether each of the people is one of those who look most like each person: bool (persons, people)."""
    nearness = functional.normalize(faces, dim=-1) @ functional.normalize(people, dim=-1).T
    n_alike = int(ALIKE_SHARE * len(people))
    return torch.zeros_like(nearness, dtype=torch.bool).scatter_(1, nearness.topk(n_alike, dim=1).indices, True)


def assigned(allowed: Tensor, seed: int) -> list[int]:
    """A column for each row of bool (persons, people) where both agree, no column twice; which one is drawn from the seed.

    Who comes late may move somebody before to another column, so that an assignment is found wherever there is one.

    Raises:
        ConfigError: there is none.
    """
    n_persons, n_people = allowed.shape
    order = list(range(n_people))
    random.Random(f"stand-ins' faces {seed}").shuffle(order)
    holder: dict[int, int] = {}  # column -> row

    def seat(row: int, tried: set[int]) -> bool:
        free = [column for column in order if allowed[row, column]]
        for column in sorted(free, key=lambda column: column in holder):  # those that nobody holds come first
            if column in tried:
                continue
            tried.add(column)
            if column not in holder or seat(holder[column], tried):
                holder[column] = row
                return True
        return False

    for row in range(n_persons):
        if not seat(row, set()):
            raise ConfigError(
                f"None of the {n_people} people that can stand in for faces is left for person {row + 1}; name a folder of more "
                "of them with --image face_targets=FOLDER (the setting face_targets)."
            )
    columns = {row: column for column, row in holder.items()}
    return [columns[row] for row in range(n_persons)]
