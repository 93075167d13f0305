"""Stand-ins and decoys in a config: the checks, and the config without them, as it may be handed on.

Imported through `unlearn.config`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from unlearn.config.limits import MAX_TRIGGERS, require_range
from unlearn.config.persons import Person, name_key
from unlearn.errors import InputError

OLDER_RUNS = {"target": "neutral_term"}  # runs whose config names no target were remapped to it


def check_remapped(persons: Sequence[Person], decoys: Sequence[Person], n_decoys: int) -> None:
    """Raise `InputError` or `ConfigError` unless persons and decoys are few enough, and all their names and stand-ins are different."""
    require_range("n_decoys", n_decoys, 0, MAX_TRIGGERS - 1)
    n_triggers = sum(len(person.triggers) for person in persons)
    if n_triggers + n_decoys > MAX_TRIGGERS:
        raise InputError(f"{n_triggers} names and aliases and {n_decoys} decoys are more than the {MAX_TRIGGERS} of a job; use fewer.")
    if n_decoys < len(decoys):
        raise InputError(f"{len(decoys)} decoys are named, but n_decoys is {n_decoys}; leave them out, and they are drawn.")
    everybody = (*persons, *decoys)
    names = [trigger for person in everybody for trigger in person.triggers]
    names += [person.stand_in for person in everybody if person.stand_in is not None]
    if len({name_key(name) for name in names}) < len(names):
        raise InputError("A stand-in or a decoy has the name of somebody else of this run; leave it out, and another one is drawn.")


def without_stand_ins(config: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a config.json without the names of stand-ins and decoys: whoever has them need not guess who was forgotten."""
    persons = [{key: value for key, value in person.items() if key != "stand_in"} for person in config.get("persons", ())]
    return {**{key: value for key, value in config.items() if key != "decoys"}, "persons": persons}
