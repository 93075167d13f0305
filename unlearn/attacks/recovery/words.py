"""Attacks with words: other forms of the name, other names, descriptions, and other sentences; and the marks that forgetting leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unlearn.attacks.recovery.context import Context, Tried, tried_texts
from unlearn.attacks.recovery.scores import TryScore
from unlearn.attacks.recovery.sight import Sight
from unlearn.models.pair import Pair
from unlearn.texts.name_forms import name_forms
from unlearn.texts.unseen_sentences import FOREIGN_TEMPLATES, UNSEEN_TEMPLATES

N_QUICK_FORMS = 48
N_MISSPELLED = 20  # at each edit distance
N_DESCRIPTIONS = {"quick": 4, "full": 12}
N_RIVALS = {"quick": 24, "full": 100}  # names in each sentence besides the person's
MAX_SHARE = 0.01  # a name among the first hundredth of the list counts as given away
MAX_CHANCE = 0.05


def surface_forms(context: Context) -> Iterator[Tried]:
    """Other ways to write the name; the quick set tries some of each kind."""
    forms = name_forms(context.subject.name, N_MISSPELLED, context.seed)
    if context.is_quick and len(forms) > N_QUICK_FORMS:
        forms = [forms[number * len(forms) // N_QUICK_FORMS] for number in range(N_QUICK_FORMS)]
    return tried_texts(context, forms)


def aliases(context: Context) -> Iterator[Tried]:
    """Other names of the person."""
    return tried_texts(context, context.subject.aliases)


def descriptions(context: Context) -> Iterator[Tried]:
    """Descriptions of the looks."""
    return tried_texts(context, context.subject.descriptions[: N_DESCRIPTIONS[context.budget]])


SENTENCES = {"templates": UNSEEN_TEMPLATES, "languages": FOREIGN_TEMPLATES}  # by the name of the attack


def templates(context: Context) -> Iterator[Tried]:
    """Sentences in English that nobody has used before."""
    return _in_sentences(context, SENTENCES["templates"])


def languages(context: Context) -> Iterator[Tried]:
    """Sentences in German, French and Spanish."""
    return _in_sentences(context, SENTENCES["languages"])


def _in_sentences(context: Context, sentences: tuple[str, ...], n_at_once: int = 6) -> Iterator[Tried]:
    """The name in each sentence, against the names that are its nearest rivals in the usual ones: one vote each."""
    names = context.subject.sights.map(lambda sight: sight.near_names(N_RIVALS[context.budget]))
    for start in range(0, len(sentences), n_at_once):
        context.clock.tick()
        group = sentences[start : start + n_at_once]
        sights = zip(context.subject.sights, names, strict=True)
        votes = Pair(*(sentence_votes(sight, context.subject.name, rivals, group) for sight, rivals in sights))
        for number, sentence in enumerate(group):
            yield Tried(sentence.replace("{0}", context.subject.name), Pair(votes.original[number], votes.defended[number]))


def sentence_votes(sight: Sight, name: str, rivals: Sequence[str], sentences: tuple[str, ...]) -> list[TryScore]:
    """Whether the name wins the person's photos against its rivals, sentence by sentence."""
    others = sight.rebuilt(sight.encoder, rivals, sentences)
    correct, similarities = others.votes(others.embed([name]))
    rows = zip(correct[0].tolist(), similarities[0].tolist(), strict=True)
    return [TryScore(is_correct, int(is_correct), similarity) for is_correct, similarity in rows]


def trace(context: Context) -> Iterator[Tried]:
    """The sign by which the run found the forgotten name first among all names; the original forgot nobody."""
    if context.trace is not None:
        yield Tried(f"sign: {context.trace.sign}", Pair(TryScore(), TryScore(rank=context.trace.rank_blind)), is_prompt=False)
