"""Errors on their way out: callers get a sentence, the log gets kind and place.

Values and tracebacks are never logged, because both may contain a person's name.
"""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

import gradio as gr

ROOT = Path(__file__).resolve().parent.parent.parent
UNEXPECTED = "The server could not do this ({kind}). The fault is the server's; its log says where it happened."

log = logging.getLogger(__name__)


class Refusal(gr.Error):
    """A sentence for the caller. Gradio sends it and prints nothing.

    Attributes:
        is_ours: the fault is the server's, not the caller's.
    """

    def __init__(self, sentence: str, is_ours: bool = False) -> None:
        super().__init__(sentence, print_exception=False)
        self.is_ours = is_ours


def place_of(error: BaseException) -> str:
    """Where an error arose, as "ui/page/forms.py:93": the last place in our code, if any, and the last of all."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(ROOT) and "site-packages" not in frame.filename]
    places = dict.fromkeys(_shown(frame) for frame in (*ours[-1:], *frames[-1:]))
    return " > ".join(places) or "an unknown place"


def _shown(frame: traceback.FrameSummary) -> str:
    path = Path(frame.filename)
    is_ours = path.is_relative_to(ROOT) and "site-packages" not in path.parts
    return f"{path.relative_to(ROOT).as_posix() if is_ours else '/'.join(path.parts[-2:])}:{frame.lineno}"


def log_refused(error: BaseException, where: str) -> None:
    """Log a call that was refused."""
    log.info("refused in %s: %s at %s", where, type(error).__name__, place_of(error))


def log_unexpected(error: BaseException, where: str) -> None:
    """Log a fault of the server's own."""
    log.error("failed in %s: %s at %s", where, type(error).__name__, place_of(error))


def unexpected(error: BaseException) -> str:
    """The sentence for the caller about a fault of the server's own."""
    return UNEXPECTED.format(kind=type(error).__name__)
