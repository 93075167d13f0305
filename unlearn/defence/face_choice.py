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
from unlearn.models.embeddings import encode
from unlearn.models.encoders import TextEncoder
from unlearn.texts.names import random_names
from unlearn.texts.prompts import CHECK_TEMPLATES, fill

N_CROWD = 64  # drawn names, at least, and as many as the names that are asked for: a name has to beat all of them
CROWD_SEED = 20_000
KNOWN_SHARE = 0.5  # of the phrasings in which a kept or forgotten name fits somebody whom the original knows
ALIKE_SHARE = 0.25  # of the people: those who look most like a person
ALIKE_MISFIT = 0.5 / len(CHECK_TEMPLATES)  # that counts as much as half of a phrasing in which a name fits


def chosen_stand_ins(encoder: TextEncoder, config: ResolvedConfig, faces: Tensor, people: Tensor) -> list[int]:
    """The number of a stand-in for each person; equal arguments give equal numbers, and none comes twice.

    Nobody is a stand-in who is recognised under a name that the run keeps or forgets. Nobody stands in for a person whose names, or
    the name of whose stand-in, fit the face: where both encoders are defended, the two stand-ins would find each other. Who looks
    most like a person does not stand in for that person either. Where not all of that can be had, the worst misfit is the least.

    Args:
        encoder: the original's text encoder.
        config: of the run: names, stand-ins' names, names to keep, seed.
        faces: mean embeddings (persons, d) of the faces to forget.
        people: mean embeddings (people, d) of those to choose among, at least as many.
    """
    triggers = [trigger for person in config.persons for trigger in person.triggers]
    kept = kept_names(config.text.kept_names, triggers) if config.text.kept_names else []
    own = [person.borne for person in config.persons]
    names = list(dict.fromkeys([*kept, *triggers, *(name for group in own for name in group)]))
    shares = fitting_shares(encoder, names, people)  # (names, people)
    place = {name: number for number, name in enumerate(names)}
    known = shares[[place[name] for name in (*kept, *triggers)]].amax(dim=0)  # (people,)
    fitting = torch.stack([shares[[place[name] for name in group]].amax(dim=0) for group in own])  # (persons, people)
    misfits = torch.maximum(fitting, torch.where(known >= KNOWN_SHARE, known, 0.0))
    return assigned(misfits + ALIKE_MISFIT * _alike(faces, people), config.seed)


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
    """1 for each of the people who is one of those who look most like a person, else 0: (persons, people)."""
    nearness = functional.normalize(faces, dim=-1) @ functional.normalize(people, dim=-1).T
    n_alike = int(ALIKE_SHARE * len(people))
    return torch.zeros_like(nearness).scatter_(1, nearness.topk(n_alike, dim=1).indices, 1.0)


def assigned(misfits: Tensor, seed: int) -> list[int]:
    """A column for each row of (persons, people), no column twice, with the least greatest misfit; drawn from the seed among the equal."""
    order = list(range(misfits.shape[1]))
    random.Random(f"stand-ins' faces {seed}").shuffle(order)
    for worst in misfits.unique():  # ascending; with the greatest, everything is allowed
        columns = _matched(misfits <= worst, order)
        if columns is not None:
            return columns
    raise ValueError(f"{misfits.shape[1]} people cannot stand in for {misfits.shape[0]} persons")


def _matched(allowed: Tensor, order: Sequence[int]) -> list[int] | None:
    """A column for each row of bool (rows, columns) where it is allowed, no column twice; None if there is no such matching.

    Early columns of `order` are taken first. Who comes late may move somebody before to another column.
    """
    choices = [[column for column in order if row[column]] for row in allowed.tolist()]
    holder: dict[int, int] = {}  # column -> row

    def seat(row: int, tried: set[int]) -> bool:
        for column in sorted(choices[row], key=lambda column: column in holder):  # those that nobody holds come first
            if column in tried:
                continue
            tried.add(column)
            if column not in holder or seat(holder[column], tried):
                holder[column] = row
                return True
        return False

    if not all(seat(row, set()) for row in range(len(choices))):
        return None
    columns = {row: column for column, row in holder.items()}
    return [columns[row] for row in range(len(choices))]
