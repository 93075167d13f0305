"""Which activation a CLIP was trained with, GELU or QuickGELU, and who says so; a weights file alone does not.

The two differ by at most 0.02 a value, so a model built with the wrong one runs and is quietly worse.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from unlearn.errors import ModelLoadError
from unlearn.models.clip_folders import CONFIG_NAME, clip_config
from unlearn.models.sets import ModelSet
from unlearn.models.weight_files import SUFFIXES
from unlearn.models.weights import published_tag

Source = Literal["asked for", "the tag", "the configuration", "the model's name"]
NAMES = {True: "QuickGELU", False: "GELU"}


@dataclass(frozen=True)
class Activation:
    """Whether QuickGELU is taken, and who says so."""

    is_quick: bool
    source: Source

    @property
    def name(self) -> str:
        """QuickGELU or GELU."""
        return NAMES[self.is_quick]


def resolve_activation(model_set: ModelSet, checkpoint: Path | None = None) -> Activation:
    """The activation to build with: forced, or of the weights; a name that contradicts its weights is an error.

    Args:
        model_set: in whose name an activation may be asked for, behind an '@'.
        checkpoint: the weights file, beside which open_clip's configuration may lie; None: not looked at.

    Raises:
        ModelLoadError: unknown model, or a name that contradicts what tag or configuration say.
    """
    if model_set.activation != "matched":
        return Activation(model_set.activation == "quick_gelu", "asked for")
    if model_set.clip_folder is not None:
        return Activation(_configured(model_set.clip_folder), "the configuration")
    from open_clip.factory import get_model_config

    config = get_model_config(model_set.clip)
    if config is None:
        raise ModelLoadError(f"open_clip knows no model {model_set.clip!r}.")
    named = bool(config.get("quick_gelu", False))
    tag = published_tag(model_set)
    if tag:
        trained, source = bool(tag.get("quick_gelu", False)), _tag
    elif checkpoint is not None and _is_file(model_set) and (checkpoint.parent / CONFIG_NAME).is_file():
        trained, source = _configured(checkpoint.parent), _beside
    else:
        return Activation(named, "the model's name")
    if named != trained and ":" in model_set.name:  # the user wrote the model's name; the table's sets follow the tag
        raise _contradiction(model_set, named, source)
    return Activation(trained, source)


_tag: Source = "the tag"
_beside: Source = "the configuration"


def _is_file(model_set: ModelSet) -> bool:
    return model_set.weights.lower().endswith(SUFFIXES)


def _configured(folder: Path) -> bool:
    """What the configuration in a folder says; as open_clip reads it, silence is GELU."""
    content = clip_config(folder)
    described = content.get("model_cfg", content)
    if not isinstance(described, dict):
        raise ModelLoadError(f"{folder.name}/{CONFIG_NAME} describes no model (model_cfg is no JSON object); copy or download it again.")
    return bool(described.get("quick_gelu", False))


def _contradiction(model_set: ModelSet, named: bool, source: Source) -> ModelLoadError:
    twin = model_set.clip.removesuffix("-quickgelu") if named else f"{model_set.clip}-quickgelu"
    file = Path(model_set.weights).name
    said = f", as {CONFIG_NAME} beside it says" if source == _beside else ""
    return ModelLoadError(
        f"{file} was trained with {NAMES[not named]}{said}, but {model_set.clip} is built with {NAMES[named]}. "
        f"Use {twin}:{file}, or add @{'quick_gelu' if named else 'gelu'} to use the other activation on purpose."
    )


def activation_warning(activation: Activation, model_set: ModelSet) -> tuple[str, ...]:
    """A sentence where nobody but the model's plain name says which activation it is, else nothing."""
    if activation.source != "the model's name" or activation.is_quick:
        return ()
    return (
        f"The weights file does not tell with which activation it was trained: {activation.name} was taken, because {model_set.clip} is "
        "built with it. If it was trained with QuickGELU (as OpenAI's weights were), put -quickgelu behind the model's name or @quick_gelu "
        "behind the set's.",
    )
