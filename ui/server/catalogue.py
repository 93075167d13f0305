"""What the model set holds that the page shows at once: people, photos, things, examples; loads no model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unlearn.config import PortraitConfig, Settings

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


def set_info(settings: Settings, model_set: str) -> SetInfo:
    """The model set as the page shows it; a set with a world of its own has invented people.

    Raises:
        ConfigError: no such set.
    """
    from unlearn.models.sets import find_model_set

    found = find_model_set(model_set)
    return SetInfo(found.name, found.title, found.world is not None, found.portraits)


def people(settings: Settings, model_set: str) -> list[dict[str, Any]]:
    """Rows {name, member, aliases} as of `runs.questions.people`, which would import torch."""
    world = _world(model_set)
    return [
        {"name": one.name, "member": one.member, "aliases": list(one.aliases)}
        for one in (world.inhabitants if world is not None else ())
    ]


@lru_cache(maxsize=8)
def photos(settings: Settings, model_set: str, name: str) -> list[Image.Image] | None:
    """Evaluation photos of a person, or None."""
    from PIL import Image

    world = _world(model_set)
    inhabitant = world.find(name) if world is not None else None
    if world is None or inhabitant is None:
        return None
    return [Image.fromarray(pixels) for pixels in world.photos(inhabitant)]


def things(settings: Settings, model_set: str) -> dict[str, list[str]] | None:
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


def examples(settings: Settings, model_set: str) -> list[dict[str, Any]]:
    """Example photo sets to try the face step with: rows {name, folder, member}."""
    world = _world(model_set)
    known = {one.name: one.member for one in (world.inhabitants if world is not None else ())}
    return [{**row, "member": known[row["name"]]} for row in _example_folders(world.root if world is not None else None, list(known))]


def _example_folders(root: Path | None, names: list[str]) -> list[dict[str, Any]]:
    """The example photo sets of a world: rows {name, folder}; `names` are its people's."""
    by_slug = {name.lower().replace(" ", "-"): name for name in names}
    folders = sorted((root / EXAMPLES).iterdir()) if root is not None and (root / EXAMPLES).is_dir() else []
    return [{"name": by_slug[one.name], "folder": str(one)} for one in folders if one.name in by_slug]
