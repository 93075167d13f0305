"""What a run did to others: bystanders harmed, and people who share the name."""

from __future__ import annotations

from collections.abc import Sequence

from unlearn.config import Person, name_key
from unlearn.runs.documents import wording
from unlearn.runs.documents.content import Bystanders
from unlearn.runs.documents.naming import Naming
from unlearn.runs.records import BystanderRow
from unlearn.runs.recovery_sentences import N_TEMPLATES
from unlearn.runs.results import Run

MAX_NAMED = 12


def bystanders(run: Run, naming: Naming) -> Bystanders:
    """How many other people were harmed; who they are where they are invented."""
    counts = run.metrics.bystanders
    if not counts.n:
        return Bystanders(0, None, None, (), wording.NOBODY_MEASURED)
    forgotten, recalled = counts.wrongly_forgotten or 0, counts.newly_recalled or 0
    if not forgotten + recalled:
        return Bystanders(counts.n, 0, 0, (), wording.NOBODY_HARMED.format(n=counts.n))
    harmed = [row.name for row in run.bystanders if row.is_damaged]
    names = tuple(harmed[:MAX_NAMED]) if all(map(naming.is_invented, harmed)) else ()
    sentence = wording.HARMED.format(n=counts.n, forgotten=forgotten, recalled=recalled)
    if names:
        more = ["…"] if len(harmed) > MAX_NAMED else []
        sentence = f"{sentence} {wording.HARMED_NAMES.format(names=', '.join([*names, *more]))}"
    return Bystanders(counts.n, forgotten, recalled, names, sentence)


def namesakes(run: Run) -> tuple[str, ...]:
    """What happens to people of the same name, and what was measured of it."""
    if run.config.encoder == "image":
        return (wording.NOT_THE_NAME,)
    is_one = len(run.config.persons) == 1
    parts = _parts_alone(run) if is_one else []
    return (wording.SAME_NAME if is_one else wording.SAME_NAMES, *parts, _sharing(run.bystanders, run.config.persons))


def _parts_alone(run: Run) -> list[str]:
    """Whether first and last name alone find the person."""
    sentences = []
    for row in run.probes:
        before, after = row.original.correct_templates, row.defended.correct_templates
        if row.kind in wording.PART_ALONE and before is not None and after is not None:
            sentences.append(wording.PART_ALONE[row.kind].format(n=N_TEMPLATES, original=before, defended=after))
    return sentences


def _sharing(rows: Sequence[BystanderRow], persons: Sequence[Person]) -> str:
    words = {word for person in persons for word in _ends(person.name)}
    sharing = [row for row in rows if row.is_attacked and words & _ends(row.name)]
    if not sharing:
        return wording.NOBODY_SHARES
    before, after = sum(bool(row.original.recognised) for row in sharing), sum(bool(row.defended.recognised) for row in sharing)
    if len(sharing) == 1:
        yes = ("no", "yes")
        return wording.SHARING_ONE.format(original=yes[before], defended=yes[after])
    return wording.SHARING.format(n=len(sharing), original=before, defended=after)


def _ends(name: str) -> set[str]:
    """First and last word of a name, as they are compared."""
    words = name_key(name).split()
    return {words[0], words[-1]} if words else set()
