"""A set's second CLIP, trained by the same recipe without some of the members: what "never met" looks like for them.

It lies in the folder never-met/ of a model set, which may be missing: open_clip_model.safetensors, of the architecture of the
set's CLIP and read with its configuration and tokenizer, and left-out.json, {"left_out": [names of members]}.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unlearn.config import Settings
from unlearn.errors import ModelLoadError
from unlearn.files import read_json_object
from unlearn.models.clip import Clip, load_other_weights
from unlearn.models.worlds import Inhabitant, World

WEIGHTS, LEFT_OUT = "open_clip_model.safetensors", "left-out.json"


@dataclass(frozen=True)
class NeverMetModel:
    """The second CLIP, and whom it never met.

    Attributes:
        clip: frozen, in eval mode; its embeddings cannot be compared with those of another training.
        left_out: members who were in the training data of the original and not in its own.
    """

    clip: Clip
    left_out: tuple[Inhabitant, ...]

    @classmethod
    def load(cls, folder: Path, original: Clip, world: World, settings: Settings) -> NeverMetModel:
        """Load it from its folder.

        Raises:
            ModelLoadError: files that are missing or damaged, or weights of another architecture than the original's.
        """
        return cls(load_other_weights(original, _existing(folder / WEIGHTS), settings), left_out(folder, world))

    def never_met(self, name: str, world: World) -> bool:
        """Whether the name or alias is that of a person whom it never met."""
        return world.find(name) in self.left_out


def left_out(folder: Path, world: World) -> tuple[Inhabitant, ...]:
    """The members without whom the model in the folder was trained; its weights are not read.

    Raises:
        ModelLoadError: left-out.json is missing or damaged, or names somebody who is no member.
    """
    path = folder / LEFT_OUT
    names = read_json_object(path).get("left_out")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ModelLoadError(f"{folder.name}/{path.name} has no list of names under left_out.")
    members = [world.find(name) for name in names]
    if any(member is None or not member.member for member in members):
        raise ModelLoadError(f"{folder.name}/{path.name} names somebody who is no member of the world.")
    return tuple(member for member in members if member is not None)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ModelLoadError(f"{path.parent.name}/{path.name} does not exist; take it from the repository again, or remove its folder.")
    return path
