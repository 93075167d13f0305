"""What a visitor is told when ZeroGPU lends no GPU or takes it back: our sentence around the platform's own.

The platform raises Gradio's `Error` with a title ("ZeroGPU quota exceeded", "ZeroGPU queue timeout", "ZeroGPU illegal
duration", "ZeroGPU client error", "ZeroGPU worker error") and a message, which may be HTML or hold Markdown links. Only the
text of such an error is passed on; the text of any other error may hold a name or a path, so of that only the type is told.

Source of titles and messages: package `spaces` 0.51, zero/client.py and zero/wrappers.py.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

MAX_CHARS = 400
QUOTA = (
    "Your share of GPU time does not suffice{}. Nothing was computed; run it again when there is time left, or after logging in to "
    "Hugging Face."
)
NONE_FREE = "No GPU was free{}. Nothing was computed; run it again in a few minutes."
TOO_LONG = (
    "The platform lends no GPU for as long as this needs ({} s){}. Forget fewer persons at once, or draw fewer portraits with fewer steps."
)
ABORTED = (
    "The GPU was taken away before the work was done{}. Most often the work took longer than the {} s that were asked for: forget fewer "
    "persons at once, or draw fewer portraits with fewer steps."
)
STALE = "The job waited so long that the platform no longer knows whose GPU time to take{}. Run it again."
CLOSED = "The page was closed while the job waited for a GPU. Run it again, and keep the page open until it is running."
BROKEN = "Something unexpected went wrong on the GPU ({}). Run it again; if it fails again, report it."
OTHER = "The GPU could not be had{}. Run it again in a few minutes."
CLOSED_BY_VISITOR = "Connection closed by visitor"  # the platform's RuntimeError


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def plain_text(message: object) -> str:
    """A message without HTML; a Markdown link becomes its text with the address in brackets."""
    reader = _Text()
    reader.feed(str(message))
    reader.close()
    text = re.sub(r"\[([^\]]*)\]\(([^)\s]*)\)", r"\1 (\2)", "".join(reader.parts))
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= MAX_CHARS else text[: MAX_CHARS - 1].rstrip() + "…"


def _is_gradio_error(error: BaseException) -> bool:
    """True for Gradio's `Error` and what derives from it; told by name, since the core never imports Gradio."""
    return any(c.__name__ == "Error" and c.__module__.split(".")[0] == "gradio" for c in type(error).__mro__)


def is_closed_page(error: BaseException) -> bool:
    """True when the platform gave up because the page that waited for a GPU was closed."""
    return isinstance(error, RuntimeError) and str(error).startswith(CLOSED_BY_VISITOR)


def sentence(error: BaseException | None, seconds: int) -> str:
    """What to tell the visitor.

    Args:
        error: what the call of the decorated function raised; None: it ended before the work did.
        seconds: GPU time that was asked for.
    """
    if error is None:
        return ABORTED.format("", seconds)
    if is_closed_page(error):
        return CLOSED
    if not _is_gradio_error(error):
        return OTHER.format(f" ({type(error).__name__})")
    title, text = plain_text(getattr(error, "title", "")).lower(), plain_text(getattr(error, "message", error))
    quotation, lowered = f" (the platform says: “{text}”)" if text else "", text.lower()
    if "abort" in lowered:
        return ABORTED.format(quotation, seconds)
    if "worker error" in title:  # the message is the name of an exception's type
        return BROKEN.format(text)
    if "no gpu" in lowered:  # before the quota: callers without a token get this one under that title
        return NONE_FREE.format(quotation)
    if "token" in lowered and "expired" in lowered:
        return STALE.format(quotation)
    if "duration" in title or "larger than the maximum" in lowered:
        return TOO_LONG.format(seconds, quotation)
    if any(word in title + lowered for word in ("quota", "limit", "credits")):
        return QUOTA.format(quotation)
    return OTHER.format(quotation)
