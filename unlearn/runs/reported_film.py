"""The film as the report shows it: pictures as data URIs, a strip and a loop that needs no script."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unlearn.runs.embedded_pictures import embedded
from unlearn.runs.film_records import FILM
from unlearn.runs.film_sentences import film_note, frame_alt, heard_words, moment_title, naming_words, no_film
from unlearn.runs.results import Results

FRAME_S = 1.2  # of the loop


@dataclass(frozen=True)
class ReportedFrame:
    """One moment; `image` is a data URI, `delay_s` when the loop comes to it."""

    image: str
    alt: str
    title: str
    heard: str
    named: str
    delay_s: float


@dataclass(frozen=True)
class ReportedFilm:
    """The film of a run; without frames `why_not` may say why there is none. The loop takes `loop_s`."""

    name: str
    frames: list[ReportedFrame]
    note: str
    why_not: str
    loop_s: float


def reported_film(results: Results, run: Path) -> ReportedFilm:
    """The film of a run.

    Raises:
        InputError: a picture cannot be read.
    """
    name = results.config.persons[results.film.person_index].name
    frames = [
        ReportedFrame(
            embedded(run / FILM / frame.file), frame_alt(frame, name), moment_title(frame), heard_words(frame), naming_words(frame),
            FRAME_S * number,
        )
        for number, frame in enumerate(results.film.frames)
    ]  # fmt: skip
    return ReportedFilm(name, frames, film_note(results.film), no_film(results.config), FRAME_S * len(frames))
