"""What is said of the film, for page and report."""

from __future__ import annotations

from unlearn.config import ForgetConfig
from unlearn.runs.film_records import Film, Frame
from unlearn.runs.recovery_sentences import visible
from unlearn.texts.prompts import PROMPT_TEMPLATES

FACE_ONLY = (
    "Only the face is forgotten here. The text encoder, which tells the drawing model what a name means, stays as it is: no portrait of "
    "the name changes, so there is no film."
)


def moment_title(frame: Frame) -> str:
    """What had been done when a frame was taken."""
    if frame.kind == "block":
        return f"Closed form, block {frame.number} of {frame.total}"
    return "Original" if frame.kind == "original" else f"Step {frame.number} of {frame.total}"


def frame_alt(frame: Frame, name: str) -> str:
    """What a frame shows, for whoever does not see it."""
    return f"Portrait drawn for the name {name}. {moment_title(frame)}."


def heard_words(frame: Frame) -> str:
    """What the model heard in the name; empty where that was not looked at."""
    return "" if frame.heard is None else f"“{visible(frame.heard.text)}”"


def naming_words(frame: Frame) -> str:
    """How many prompts of the attack named the person; empty where the person was not attacked."""
    if frame.correct_templates is None:
        return ""
    return f"{frame.correct_templates} of {len(PROMPT_TEMPLATES)} prompts name the person"


def film_note(film: Film) -> str:
    """What the frames have in common, and what is not measured anew for each."""
    return (
        f"Every picture starts from the same noise (seed {film.seed}) and is drawn in {film.n_steps} steps; only the text encoder differs. "
        "The caption is the one nearest in meaning to the name. Other names and the captions are taken as the original has them, so the "
        "verdict of the whole attack may differ a little."
    )


def no_film(config: ForgetConfig) -> str:
    """Why a run has no film, where that lies in what was chosen; else empty."""
    return FACE_ONLY if config.encoder == "image" else ""
