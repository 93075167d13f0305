"""What visitors are told of the platform's refusals, from the wordings of several versions of its package."""

from __future__ import annotations

import gradio as gr
import pytest

from unlearn.jobs import zero_refusals
from unlearn.jobs.zero_refusals import MAX_CHARS, plain_text, sentence


class TextInHtml(str):
    """As the platform makes it: HTML to Gradio, Markdown to `str`."""

    def __str__(self) -> str:
        return "No GPU was available after 60s [Create a free account](https://huggingface.co/join) to get a higher priority."


class HtmlError(gr.Error):
    def __str__(self) -> str:
        return str(self.message)


@pytest.mark.parametrize(
    ("title", "message", "starts"),
    [
        ("ZeroGPU quota exceeded", "You have exceeded your ZeroGPU quota (60s requested vs. 3s left). Try again in 0:01. ", "Your share"),
        ("GPU quota exceeded", "You have exceeded your GPU quota (60s requested vs. 3s left). <a href='x'>Join</a>", "Your share"),
        ("ZeroGPU quota exceeded", "You have exceeded your ZeroGPU runs limit. ", "Your share"),
        ("ZeroGPU pending credits exceeded", "You have too many ZeroGPU credits allocated to running tasks.", "Your share"),
        ("ZeroGPU quota exceeded", "Space app has reached its GPU limit. Try re-running outside of examples", "Your share"),
        ("ZeroGPU quota exceeded", "No GPU was available after 60s. Try re-running outside of examples", "No GPU was free"),
        ("ZeroGPU client error", "No GPU was available", "No GPU was free"),
        ("ZeroGPU illegal duration", "The requested GPU duration (900s) is larger than the maximum allowed", "The platform lends no GPU"),
        ("ZeroGPU client error", "Expired ZeroGPU proxy token", "The job waited so long"),
        ("ZeroGPU worker error", "GPU task aborted", "The GPU was taken away"),
        ("ZeroGPU worker error", "OutOfMemoryError", "Something unexpected went wrong on the GPU (OutOfMemoryError)"),
        ("ZeroGPU client error", "Internal Gradio error", "The GPU could not be had (the platform says"),
        ("Error", "", "The GPU could not be had."),
    ],
)
def test_each_refusal_has_its_sentence(title: str, message: str, starts: str) -> None:
    told = sentence(gr.Error(message, title=title), 60)
    assert told.startswith(starts) and told.endswith(".") and "<" not in told
    if "Try again in" in message or "vs." in message:
        assert "60s requested vs. 3s left" in told


def test_message_of_html_is_told_as_text() -> None:
    told = sentence(HtmlError(TextInHtml("<b>No GPU</b>"), title="ZeroGPU queue timeout"), 60)
    assert told.startswith("No GPU was free") and "Create a free account (https://huggingface.co/join)" in told


def test_other_errors_are_told_by_their_type_only() -> None:
    for error in (ValueError("secret"), RuntimeError("secret"), KeyError("secret")):
        assert sentence(error, 60) == f"The GPU could not be had ({type(error).__name__}). Run it again in a few minutes."
    assert sentence(RuntimeError("Connection closed by visitor while queueing"), 60) == zero_refusals.CLOSED
    assert sentence(None, 60).startswith("The GPU was taken away before the work was done. ")


def test_plain_text_is_one_line_of_limited_length() -> None:
    assert plain_text("a&amp;b <i>c</i>\n\n d\x00e <script>f</script>[g](h)") == "a&b c d ef".replace("ef", "e f") + "g (h)"
    assert len(plain_text("word " * 1000)) == MAX_CHARS
    assert plain_text(None) == "None" and plain_text("") == ""
