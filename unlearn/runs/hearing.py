"""What the models hear in the names of a run's persons, from the embeddings that the attack has made."""

from __future__ import annotations

from torch import Tensor

from unlearn.config import ResolvedConfig
from unlearn.config.spelling import without_triggers
from unlearn.measure.hearing import common_captions, nearest_captions
from unlearn.models.embeddings import EmbeddingCache, encode
from unlearn.models.encoders import TextEncoder
from unlearn.models.pair import Pair
from unlearn.models.worlds import known_names
from unlearn.runs.evidence import Compared
from unlearn.runs.heard_records import Heard, HeardCaption
from unlearn.runs.portraits import MAX_PERSONS


def measured_hearing(compared: Compared, cache: EmbeddingCache) -> tuple[Heard, ...]:
    """A row for each of the first persons; none where the text encoder was left as it was.

    Args:
        compared: the models, and the names as they see them.
        cache: of the original's embeddings. It outlives the run, and no caption with a name to forget is looked up in it.
    """
    original, defended = (model.text for model in compared.models)
    if defended is original:
        return ()
    persons = compared.config.persons
    captions, embedded = heard_captions(compared.config, original, cache)
    sides = Pair(embedded, encode(defended, captions))
    unknown = _unknown(compared)

    def heard(number: int, side: int) -> tuple[HeardCaption, ...]:
        table: Tensor = compared.tables[side]
        return tuple(HeardCaption(*row) for row in nearest_captions(table[:, number], captions, sides[side]))

    control = heard(unknown, 0) if unknown is not None else ()
    numbers = [min(compared.numbers([person.name])) for person in persons[:MAX_PERSONS]]
    return tuple(Heard(heard(number, 0), heard(number, 1), control, len(captions), index) for index, number in enumerate(numbers))


def heard_captions(config: ResolvedConfig, original: TextEncoder, cache: EmbeddingCache) -> tuple[list[str], Tensor]:
    """The captions among which the nearest to a name are looked for, none with a name to forget, and their embeddings by the original."""
    common = common_captions(config.text.captions)
    captions = without_triggers(common, [trigger for person in config.persons for trigger in person.triggers])
    return captions, cache.embed(original, captions) if len(captions) == len(common) else encode(original, captions)


def _unknown(compared: Compared) -> int | None:
    """Where the first of the attack's names stands that nobody of this set or run bears; None where there is none."""
    gallery = compared.galleries.original
    borne = compared.numbers([trigger for person in compared.config.persons for trigger in person.triggers])
    borne |= compared.numbers(known_names(compared.world)) | set(gallery.replaced)
    return next((number for number in range(len(gallery.base_names)) if number not in borne), None)
