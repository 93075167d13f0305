"""What the tries of an attack reach on a model that was trained without the person: the same score, a third time.

Only tries that are words can be made there. Optimised vectors and changed weights belong to the model that they were made for.
"""

from __future__ import annotations

from collections.abc import Sequence

from unlearn.attacks.recovery.catalogue import AttackKind
from unlearn.attacks.recovery.context import Context, OutOfTime, Tried
from unlearn.attacks.recovery.scores import TryScore
from unlearn.attacks.recovery.sight import Sight
from unlearn.attacks.recovery.verdicts import Side, judged, side_of
from unlearn.attacks.recovery.words import N_RIVALS, SENTENCES, sentence_votes

N_AT_ONCE = 6  # sentences a pass


def side_of_third(context: Context, kind: AttackKind, tried: Sequence[Tried]) -> Side | None:
    """What the same tries reach on the model that never met the person, with the verdicts.

    None without such a model, where the tries are no words, and where the time does not suffice. An attack that is measured by
    strangers gets a score and no verdict: these strangers were not tried on that model.
    """
    sight = context.subject.third
    if sight is None or not tried or not all(one.is_prompt for one in tried):
        return None
    try:
        if kind.rule == "votes":
            tries = _sentences(sight, context, SENTENCES[kind.name][: len(tried)])
        else:
            tries = sight.try_texts([one.text for one in tried], lambda _: context.clock.tick())
    except OutOfTime:
        return None
    return judged(kind, side_of(tuple(tries), kind.rule), ())


def _sentences(sight: Sight, context: Context, sentences: tuple[str, ...]) -> list[TryScore]:
    rivals, scores = sight.near_names(N_RIVALS[context.budget]), list[TryScore]()
    for start in range(0, len(sentences), N_AT_ONCE):
        context.clock.tick()
        scores += sentence_votes(sight, context.subject.name, rivals, sentences[start : start + N_AT_ONCE])
    return scores
