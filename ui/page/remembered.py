"""What a browser says that it remembers: read, and not trusted."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,200}")


@dataclass(frozen=True)
class Remembered:
    """Unproven claims of a browser; "" for each that it lacks.

    Attributes:
        visitor: token of the visitor.
        job: key of what was shown.
        page: a name that only this open page knows.
    """

    visitor: str = ""
    job: str = ""
    page: str = ""


def remembered_of(memory: Any) -> Remembered:
    """The claims in the JSON that a page sends; what has not the right form is left out."""
    try:
        content = json.loads(memory)
    except (TypeError, ValueError, RecursionError):
        content = None
    claims = content if isinstance(content, dict) else {}
    texts = {name: claims.get(name) for name in ("visitor", "job", "page")}
    return Remembered(**{name: text for name, text in texts.items() if isinstance(text, str) and PLAIN.fullmatch(text)})
