"""Reads the JSON files that lie beside weights and worlds; knows nothing of what they mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from unlearn.errors import ModelLoadError


def read_json_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file of a model set.

    Raises:
        ModelLoadError: missing, unreadable, no JSON, or no object.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelLoadError(f"{path} cannot be read: {error}.") from error
    if not isinstance(content, dict):
        raise ModelLoadError(f"{path} does not hold a JSON object.")
    return content
