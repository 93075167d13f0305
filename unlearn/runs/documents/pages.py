"""The templates of the documents, and how they write shares."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unlearn.runs.documents.intervals import Share

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
DASH = "–"


def counted(share: Share | None) -> str:
    """A share in words: its counts where they are known; a dash for what was not measured."""
    if share is None:
        return DASH
    return percent(share.share, 1) if share.n is None else f"{share.n} of {share.of}"


def interval(share: Share | None) -> str:
    """The interval of a share; empty where there is none."""
    if share is None or share.low is None or share.high is None:
        return ""
    return f"{_bound(share.low)}–{_bound(share.high)} %"


def _bound(value: float) -> str:
    """A bound in percent; with a decimal where it would read 0 or 100 and is not."""
    return f"{100 * value:.{1 if 0 < value < 0.01 or 0.99 < value < 1 else 0}f}"


def percent(value: float, digits: int = 0) -> str:
    """A fraction as percent."""
    return f"{100 * value:.{digits}f} %"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=select_autoescape(("html",)), undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(counted=counted, interval=interval)
    environment.globals["DASH"] = DASH
    return environment


def rendered(template: str, /, **values: Any) -> str:
    """A template with its values put in, each escaped in HTML."""
    return _environment().get_template(template).render(**values)
