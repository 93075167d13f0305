"""HTML from templates, everything escaped; knows numbers' formats, no Gradio and no model."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

DASH = "–"
TEMPLATES = Path(__file__).parent / "templates"


def percent(share: float | None, digits: int = 0) -> str:
    """A fraction as percent; a dash for None, since not measured must never read 0 %."""
    return DASH if share is None else f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%"


def decimal(value: float | None, digits: int = 3) -> str:
    """A number with a fixed count of digits; a dash for None."""
    return DASH if value is None else f"{value:.{digits}f}"


def duration(seconds: float | None) -> str:
    """Seconds as people say them; a dash for None."""
    if seconds is None:
        return DASH
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def size(n_bytes: float) -> str:
    """Bytes as KB or MB."""
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e6 else f"{max(n_bytes, 1) / 1e3:.0f} KB"


def clock(when: float | None) -> str:
    """Seconds since the epoch as day and time of the server."""
    return DASH if when is None else time.strftime("%d %b, %H:%M", time.localtime(when))


def width(share: float | None) -> str:
    """A fraction as CSS width, kept within 0 to 100 %."""
    return f"{100 * min(1.0, max(0.0, share or 0.0)):.1f}%"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    for function in (percent, decimal, duration, size, clock, width):
        environment.filters[function.__name__] = function
    environment.globals["DASH"] = DASH
    return environment


def render(template: str, /, **values: Any) -> str:
    """The template with its values put in, each escaped.

    Gradio treats `${` and `{{` in templates as its own; values never reach them unchanged.
    """
    return _environment().get_template(f"{template}.html").render(**values)
