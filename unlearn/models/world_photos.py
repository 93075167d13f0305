"""The photos of a world's people as an image encoder embeds them, each once for as long as the encoder stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from unlearn.models.encoders import ImageEncoder
from unlearn.models.frozen import FrozenMemo
from unlearn.models.images import embed_images
from unlearn.models.worlds import Inhabitant, World

ByNumber = dict[int, Tensor]  # number of an inhabitant -> embeddings (photos, d)

_EMBEDDED: FrozenMemo[WeakKeyDictionary[World, ByNumber]] = FrozenMemo()
_ANONYMOUS: FrozenMemo[WeakKeyDictionary[World, Tensor]] = FrozenMemo()


def world_photos(encoder: ImageEncoder, world: World, inhabitants: Sequence[Inhabitant]) -> dict[str, Tensor]:
    """Name -> embeddings (photos, d) of the evaluation photos of these inhabitants.

    Each person is a batch of its own, so that the embeddings do not depend on who else is asked for.

    Args:
        encoder: it is not changed; as long as it is frozen, it is not asked twice for a person.
        world: whose photos are read.
        inhabitants: of this world.
    """
    by_world = _EMBEDDED.get(cast(nn.Module, encoder), WeakKeyDictionary)
    embedded = by_world.setdefault(world, {})
    for inhabitant in inhabitants:
        if inhabitant.index not in embedded:
            embedded[inhabitant.index] = embed_images(encoder, world.photos(inhabitant))
    return {inhabitant.name: embedded[inhabitant.index] for inhabitant in inhabitants}


def anonymous_photos(encoder: ImageEncoder, world: World) -> Tensor | None:
    """Embeddings (people, d) of the anonymous people to measure on, a photo each; None where the world has none.

    Args:
        encoder: it is not changed; as long as it is frozen, it is not asked twice.
        world: whose photos are read.
    """
    if world.anonymous_people is None:
        return None
    by_world = _ANONYMOUS.get(cast(nn.Module, encoder), WeakKeyDictionary)
    if world not in by_world:
        by_world[world] = embed_images(encoder, world.anonymous_people)
    return by_world[world]
