"""What the page shows of the model set at once: people, photos, things, examples. No model is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from unlearn.config import PortraitConfig

if TYPE_CHECKING:
    from PIL import Image

    from unlearn.models.worlds import World

EXAMPLES = "examples"  # in the folder of a model set's world


@lru_cache(maxsize=4)
def _world(model_set: str) -> World | None:
    from unlearn.models.sets import find_model_set
    from unlearn.models.worlds import World

    root = find_model_set(model_set).world
    return World(root) if root is not None else None


def set_info(model_set: str) -> SetInfo:
    """The model set as the page shows it.

    Raises:
        ConfigError: no such set.
    """
    from unlearn.models.sets import find_model_set

    chosen, world = find_model_set(model_set), _world(model_set)
    return SetInfo(chosen.name, chosen.title, world is not None and world.photo_kind == "drawn", chosen.portraits)


def people(model_set: str) -> list[dict[str, Any]]:
    """The people of the set's world: rows {name, member, aliases}; empty where it has none."""
    world = _world(model_set)
    return [] if world is None else world.people


@lru_cache(maxsize=8)
def photos(model_set: str, name: str) -> list[Image.Image] | None:
    """Evaluation photos of a person, or None."""
    from PIL import Image

    world = _world(model_set)
    inhabitant = world.find(name) if world is not None else None
    if world is None or inhabitant is None:
        return None
    return [Image.fromarray(pixels) for pixels in world.photos(inhabitant)]


def things(model_set: str) -> dict[str, list[str]] | None:
    """The kinds of things that the model set's photos show besides people, or None."""
    world = _world(model_set)
    return None if world is None else {"kinds": list(world.kinds)}


@dataclass(frozen=True)
class SetInfo:
    """The model set as the page shows it: its title, whether its people are invented, its portrait defaults."""

    name: str
    title: str
    invented: bool
    portraits: PortraitConfig


def examples(model_set: str) -> list[dict[str, Any]]:
    """Example photo sets to try the face step with: rows {name, folder, member, crops}; `crops`: no face has to be looked for."""
    world = _world(model_set)
    if world is None or not (world.root / EXAMPLES).is_dir():
        return []
    by_slug = {inhabitant.name.lower().replace(" ", "-"): inhabitant for inhabitant in world.inhabitants}
    folders = [folder for folder in sorted((world.root / EXAMPLES).iterdir()) if folder.name in by_slug]
    return [
        {
            "name": by_slug[folder.name].name, "folder": str(folder), "member": by_slug[folder.name].member,
            "crops": world.photo_kind != "raw",
        }
        for folder in folders
    ]  # fmt: skip
