"""Looks at names before any work: do they fit into what a text encoder reads, and are they words of ordinary captions.

Messages name persons by number, because they end up in logs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from unlearn.config import Person, ResolvedConfig
from unlearn.config.spelling import trigger_pattern
from unlearn.errors import InputError
from unlearn.hub import HUB_PREFIX
from unlearn.texts.captions import generate_captions, read_captions
from unlearn.texts.prompts import PROMPT_TEMPLATES, fill

if TYPE_CHECKING:
    from unlearn.models.encoders import TextEncoder

N_LOOKED_AT = 5000  # captions; enough to tell a word of one caption in five hundred
COMMON_SHARE = 0.002  # of the captions; a name that stands in more of them is a word, too
HARMFUL_SHARE = 0.05  # "the", in a quarter of the captions, costs the model a third of the things that it can tell apart
N_FREE = 100  # captions that must be left without a trigger, for the fine-tuning to learn what should stay


def triggers_by_place(persons: Sequence[Person]) -> Iterator[tuple[str, str]]:
    """(What it is, such as "alias 1 of person 2", the name or alias itself) of all persons."""
    for number, person in enumerate(persons, start=1):
        yield f"the name of person {number}", person.name
        yield from ((f"alias {i} of person {number}", alias) for i, alias in enumerate(person.aliases, start=1))


def require_room(config: ResolvedConfig, encoders: Iterable[TextEncoder]) -> list[str]:
    """See that every text encoder of a model set reads the names to their ends.

    Args:
        config: whose names, aliases and neutral term are looked at, and whose prompt of the portraits.
        encoders: each reads its own number of tokens.

    Returns:
        Warnings about names that fit by themselves, but not into all prompts; such a prompt is cut.

    Raises:
        InputError: a name, an alias or the neutral term alone is longer than an encoder reads, or two names are the same to it.
    """
    triggers = list(triggers_by_place(config.persons))
    templates = [*PROMPT_TEMPLATES, config.portraits.prompt_template]
    warnings: dict[str, None] = {}
    for encoder in encoders:
        for what, text in (*triggers, ("the neutral term", config.neutral_term)):
            require_fitting(encoder, text, what)
            n_cut = sum(encoder.n_tokens(fill(template, text)) > encoder.context_length for template in templates)
            if n_cut:
                warnings[
                    f"{what.capitalize()} is so long that {n_cut} of {len(templates)} prompts with it are cut: of "
                    f"them the model reads {encoder.context_length - 2} tokens only. A shorter form gives surer results."
                ] = None
        _require_distinct(encoder, triggers)
    return list(warnings)


def require_fitting(encoder: TextEncoder, text: str, what: str) -> None:
    """Raise `InputError` where a text alone is longer than the encoder reads; `what` it is stands in the message."""
    n_tokens, room = encoder.n_tokens(text) - 2, encoder.context_length - 2
    if n_tokens > room:
        raise InputError(
            f"{what.capitalize()} has {n_tokens} tokens, but the text encoder of this model set reads {room}; give a shorter one."
        )


def require_all_fitting(encoder: TextEncoder, texts: Sequence[str], what: str) -> None:
    """`require_fitting` for each of several texts that are all of one kind, such as "label"."""
    for number, text in enumerate(texts, start=1):
        require_fitting(encoder, text, f"{what} {number}")


def _require_distinct(encoder: TextEncoder, triggers: Sequence[tuple[str, str]]) -> None:
    """Raise `InputError` where the encoder reads two of the triggers as the same tokens."""
    rows = encoder.tokenize([text for _, text in triggers])
    places: dict[bytes, str] = {}
    for (what, _), row in zip(triggers, rows, strict=True):
        earlier = places.setdefault(row.numpy().tobytes(), what)
        if earlier != what:
            raise InputError(f"To this model {earlier} and {what} are the same text; leave one of them out.")


def common_words(persons: Sequence[Person], captions: Sequence[str]) -> list[str]:
    """Warnings about names and aliases that are words of ordinary captions, too.

    Every caption with such a word is left out of what the fine-tuning keeps, and the word itself becomes the neutral term everywhere.

    Args:
        persons: who is to be forgotten.
        captions: what the fine-tuning draws its captions from; the first `N_LOOKED_AT` are looked at.

    Raises:
        InputError: fewer than 100 captions would be left, though there were more.
    """
    looked_at = captions[:N_LOOKED_AT]
    if not looked_at:
        return []
    warnings = []
    for what, trigger in triggers_by_place(persons):
        pattern = trigger_pattern([trigger])
        share = sum(bool(pattern.search(caption)) for caption in looked_at) / len(looked_at)
        n_templates = sum(bool(pattern.search(template)) for template in PROMPT_TEMPLATES)
        if share * len(looked_at) > max(0, len(looked_at) - N_FREE) and len(looked_at) > N_FREE:
            sentence = f"{what.capitalize()} stands in {share:.0%} of the captions; nothing would be left to keep."
            raise InputError(f"{sentence} Give a fuller name.")
        if share >= COMMON_SHARE or n_templates:
            warnings.append(
                f"{what.capitalize()} is a word of ordinary texts, too ({_percent(share)} of the captions"
                + (f", {n_templates} of the attack's {len(PROMPT_TEMPLATES)} prompts" if n_templates else "")
                + "). "
                + ("This will damage the model: " if share >= HARMFUL_SHARE else "")
                + "Forgetting it changes what these texts mean; a fuller name does less harm."
            )
    return warnings


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"


def looked_at_captions(source: str | None, seed: int) -> list[str]:
    """The captions that `common_words` looks at; none where they would have to come through the network."""
    if source is None:
        return generate_captions(N_LOOKED_AT, seed)
    if source.startswith(HUB_PREFIX):
        return []
    return list(islice(read_captions(source, N_LOOKED_AT), N_LOOKED_AT))
