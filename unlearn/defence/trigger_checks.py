"""Checks of names before any work: whether a text encoder reads them to their ends, and whether they are words of ordinary captions.

Messages name persons by number, because messages are logged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from unlearn.config import Person, ResolvedConfig
from unlearn.config.spelling import trigger_pattern
from unlearn.errors import InputError
from unlearn.hub import HUB_PREFIX
from unlearn.texts.captions import generate_captions, read_captions
from unlearn.texts.prompts import PROMPT_TEMPLATES, fill

if TYPE_CHECKING:
    from unlearn.models.encoders import TextEncoder

N_CHECKED = 5000  # captions; enough to find a word of one caption in five hundred
COMMON_SHARE = 0.002  # of the captions; a name that is in more of them is an ordinary word, too
HARMFUL_SHARE = 0.05  # "the", in a quarter of the captions, costs the model a third of the things that it can tell apart
N_FREE = 100  # captions without a trigger that the fine-tuning needs to learn what should stay


def triggers_by_place(persons: Sequence[Person]) -> Iterator[tuple[str, str]]:
    """(Place, such as "alias 1 of person 2", and the name or alias itself) of all persons."""
    for number, person in enumerate(persons, start=1):
        yield f"the name of person {number}", person.name
        yield from ((f"alias {i} of person {number}", alias) for i, alias in enumerate(person.aliases, start=1))


def require_room(config: ResolvedConfig, encoders: Iterable[TextEncoder]) -> list[str]:
    """Check that every text encoder of a model set reads the names to their ends.

    Args:
        config: its names, aliases, neutral term and prompt of the portraits are checked.
        encoders: of the model set; their context lengths may differ.

    Returns:
        Warnings about names that fit by themselves but not into all prompts; such a prompt is cut.

    Raises:
        InputError: a name, an alias or the neutral term alone is longer than an encoder reads, or two names are the same to it.
    """
    triggers = list(triggers_by_place(config.persons))
    templates = [*PROMPT_TEMPLATES, config.portraits.prompt_template]
    warnings: dict[str, None] = {}
    for encoder in encoders:
        for place, text in (*triggers, ("the neutral term", config.neutral_term)):
            require_fitting(encoder, text, place)
            n_cut = sum(encoder.n_tokens(fill(template, text)) > encoder.context_length for template in templates)
            if n_cut:
                warnings[
                    f"{place.capitalize()} is so long that {n_cut} of {len(templates)} prompts with it are cut: the model "
                    f"reads only their first {encoder.context_length - 2} tokens. A shorter form gives more reliable results."
                ] = None
        _require_distinct(encoder, triggers)
    return list(warnings)


def require_fitting(encoder: TextEncoder, text: str, what: str) -> None:
    """Raise `InputError` where a text alone is longer than the encoder reads; `what` says in the message what the text is."""
    n_tokens, room = encoder.n_tokens(text) - 2, encoder.context_length - 2
    if n_tokens > room:
        raise InputError(
            f"{what.capitalize()} has {n_tokens} tokens, but the text encoder of this model set reads {room}; give a shorter one."
        )


def require_all_fitting(encoder: TextEncoder, texts: Sequence[str], what: str) -> None:
    """`require_fitting` for several texts of the same kind; `what` is that kind, such as "label"."""
    for number, text in enumerate(texts, start=1):
        require_fitting(encoder, text, f"{what} {number}")


def _require_distinct(encoder: TextEncoder, triggers: Sequence[tuple[str, str]]) -> None:
    """Raise `InputError` where the encoder reads two of the triggers as the same tokens."""
    rows = encoder.tokenize([text for _, text in triggers])
    places: dict[bytes, str] = {}
    for (place, _), row in zip(triggers, rows, strict=True):
        earlier = places.setdefault(row.numpy().tobytes(), place)
        if earlier != place:
            raise InputError(f"To this model {earlier} and {place} are the same text; leave one of them out.")


def common_words(persons: Sequence[Person], captions: Sequence[str]) -> list[str]:
    """Warnings about names and aliases that are words of ordinary captions, too.

    The fine-tuning leaves out every caption with such a word, and remaps the word to the neutral term in all texts.

    Args:
        persons: who is to be forgotten.
        captions: of the fine-tuning; the first `N_CHECKED` are checked.

    Raises:
        InputError: fewer than 100 captions would be left, though there were more.
    """
    checked = captions[:N_CHECKED]
    if not checked:
        return []
    warnings = []
    for place, trigger in triggers_by_place(persons):
        pattern = trigger_pattern([trigger])
        n_captions = sum(bool(pattern.search(caption)) for caption in checked)
        n_templates = sum(bool(pattern.search(template)) for template in PROMPT_TEMPLATES)
        share = n_captions / len(checked)
        if len(checked) > N_FREE > len(checked) - n_captions:
            sentence = f"{place.capitalize()} is in {share:.0%} of the captions; nothing would be left to keep."
            raise InputError(f"{sentence} Give a fuller name.")
        if share >= COMMON_SHARE or n_templates:
            warnings.append(
                f"{place.capitalize()} is a word of ordinary texts, too ({_percent(share)} of the captions"
                + (f", {n_templates} of the attack's {len(PROMPT_TEMPLATES)} prompts" if n_templates else "")
                + "). "
                + ("This will damage the model: " if share >= HARMFUL_SHARE else "")
                + "Forgetting it changes what these texts mean; a fuller name does less harm."
            )
    return warnings


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"


def looked_at_captions(source: str | None, seed: int) -> list[str]:
    """The captions that `common_words` checks; none where they would have to be downloaded."""
    if source is None:
        return generate_captions(N_CHECKED, seed)
    return [] if source.startswith(HUB_PREFIX) else read_captions(source, N_CHECKED)
