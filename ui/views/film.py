"""The film as HTML: a large picture of one moment, the strip of all, a scrubber. `page/film.js` makes it move."""

from __future__ import annotations

from ui.views.render import render
from unlearn.runs.film_records import FILM, Film
from unlearn.runs.film_sentences import film_note, frame_alt, heard_words, moment_title, naming_words
from unlearn.texts.prompts import PROMPT_TEMPLATES


def film(shown: Film, name: str, base: str, *, is_running: bool = False) -> str:
    """A section with the film; empty without frames.

    Args:
        shown: the film.
        name: of the person.
        base: address of the folder that holds the film's folder.
        is_running: more frames will come; else it plays in a loop.
    """
    n_ghosts = max(0, shown.n_planned - len(shown.frames)) if is_running else 0
    last = max(1, len(shown.frames) + n_ghosts - 1)
    frames = [
        {
            "src": f"{base}/{FILM}/{frame.file}", "alt": frame_alt(frame, name), "title": moment_title(frame),
            "heard": heard_words(frame), "named": naming_words(frame), "n_named": frame.correct_templates,
            "named_share": (frame.correct_templates or 0) / len(PROMPT_TEMPLATES), "n_prompts": len(PROMPT_TEMPLATES),
            "share": number / last,
        }
        for number, frame in enumerate(shown.frames)
    ]  # fmt: skip
    return render("film", frames=frames, uid=base, is_running=is_running, n_ghosts=n_ghosts, name=name, note=film_note(shown))
