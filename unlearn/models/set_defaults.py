"""The defaults of a folder's model set: its `defaults.json`.

{"text": {...}, "neutral_text": {...}, "image": {...}, "portraits": {...}, "drawn_photos": {...}, "finder": {...}, "needs_gpu": ...,
"same_person": ...};
"neutral_text" has what differs from "text" where the target is the neutral term. Everything may be left out.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from unlearn.config import (
    RELATIVE_STOP,
    ClosedForm,
    DrawnPhotosConfig,
    EarlyStop,
    FinderBars,
    ImageFineTuneConfig,
    PortraitConfig,
    TextFineTuneConfig,
)
from unlearn.config.plain_values import checked
from unlearn.errors import ConfigError


def folder_defaults(path: Path, project: Path) -> dict[str, Any]:
    """Fields of a `ModelSet`: those of the file, which may be missing, and early stop where it says nothing.

    Args:
        path: of the file.
        project: files inside are named relative to it, as configs carry them to other machines.

    Raises:
        ConfigError: the file cannot be read, or names something that is no setting.
    """
    defaults: dict[str, Any] = {}
    if path.is_file():
        try:
            defaults = json.loads(path.read_text("utf-8"))
            for part in ("text", "neutral_text", "image"):
                _place_moments(defaults.get(part, {}).get("closed_form"), path.parent, project)
                for key, kind in (("early_stop", EarlyStop), ("closed_form", ClosedForm)):
                    if isinstance(value := defaults.get(part, {}).get(key), dict):
                        defaults[part][key] = kind(**value)
            for key in ("captions", "kept_names"):
                source = defaults.get("text", {}).get(key)
                if isinstance(source, str) and not source.startswith("hub:"):
                    defaults["text"][key] = _portable(path.parent / source, project)
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise ConfigError(f"{path} cannot be read as settings of a model set: {error}.") from error
    try:
        text = TextFineTuneConfig(**{"early_stop": RELATIVE_STOP, **defaults.get("text", {})})
        return {
            "text": text,
            "neutral_text": replace(text, **defaults["neutral_text"]) if "neutral_text" in defaults else None,
            "image": ImageFineTuneConfig(**defaults.get("image", {})),
            "portraits": PortraitConfig(**defaults.get("portraits", {})),
            "drawn_photos": DrawnPhotosConfig(**defaults.get("drawn_photos", {})),
            "finder": FinderBars(**defaults.get("finder", {})),
            "needs_gpu": checked(bool, defaults.get("needs_gpu", True), f"{path}: needs_gpu"),
            "same_person": checked(float, defaults["same_person"], f"{path}: same_person") if "same_person" in defaults else None,
        }
    except TypeError as error:
        raise ConfigError(f"{path} names an unknown setting: {error}.") from error


def _place_moments(closed_form: object, folder: Path, project: Path) -> None:
    """Name the file of statistics, which stands in the set's folder, as captions are named."""
    if isinstance(closed_form, dict) and isinstance(closed_form.get("moments"), str):
        closed_form["moments"] = _portable(folder / closed_form["moments"], project)


def _portable(path: Path, project: Path) -> str:
    return str(path.relative_to(project) if path.is_relative_to(project) else path)
