"""The share card: one picture with the portraits before and after, the verdict, and a hash of the defended weights.

Text is drawn by OpenCV, whose own fonts have the letters of all scripts that names are written in; Pillow's has those of English only.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from unlearn.runs.documents.details import Details
from unlearn.runs.documents.evidence import n_templates
from unlearn.runs.documents.letter import person_number
from unlearn.runs.documents.naming import Naming, begun
from unlearn.runs.documents.officer import made_on
from unlearn.runs.documents.pages import DASH
from unlearn.runs.documents.pictures import fields_of_colour, portrait_pair
from unlearn.runs.many_persons import FORGOTTEN, outcomes
from unlearn.runs.recovery_sentences import N_TEMPLATES
from unlearn.runs.results import Run

SIZE = (1200, 630)
PAPER, INK, QUIET, LINE = (251, 250, 247), (29, 28, 26), (93, 90, 84), (226, 222, 213)
ORIGINAL, DEFENDED = (163, 73, 31), (11, 107, 102)
MARGIN, PICTURE, GAP, TOP = 56, 322, 20, 118
REGULAR, BOLD = 400, 600  # weights of the font
FIGURE = 104  # px
HASH_DIGITS = 12

EYEBROW = "A model forgets a person"
BEFORE, AFTER = "before", "after"
COUNTS = "of {n} prompts give the right name"
COUNTS_DRAWN = "of {n} prompts give the right name to portraits drawn by the original model, not photographs"
VERDICTS = {
    FORGOTTEN: "Not recognised any more",
    "still recognised": "Still recognised",
    "unknown before and after": "Unknown before and after",
    "recognised only now": "Recognised only now",
}
NOT_TESTED = "Not tested"
INVENTED, WITHHELD = "Invented person", "Likeness and name withheld"
SUPPRESSION = "Suppression, not deletion"
MADE = "Defended weights {hash}, {day}"


@dataclass(frozen=True)
class Pen:
    """A way to write: size in px, colour, weight of the font."""

    size: int
    colour: tuple[int, int, int] = INK
    weight: int = REGULAR


def card_png(run: Run, details: Details) -> bytes:
    """The card of a run's person as a PNG file.

    Raises:
        InputError: the run has no such person, or a picture of it is missing.
    """
    buffer = io.BytesIO()
    card(run, details).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def card(run: Run, details: Details) -> Image.Image:
    """The card as a picture of 1200 x 630 px.

    Raises:
        InputError: the run has no such person, or a picture of it is missing.
    """
    number = person_number(run, details)
    naming = Naming(run.config, details)
    is_shown = naming.shows_likeness(number)
    canvas = Image.new("RGB", SIZE, PAPER)
    _pictures(canvas, run, number, is_shown)
    pixels = np.asarray(canvas).copy()
    left, right = MARGIN, SIZE[0] - MARGIN - 2 * PICTURE - GAP - 48
    write(pixels, EYEBROW.upper(), (left, 76), Pen(18, DEFENDED, BOLD), right - left)
    name = run.config.persons[number].name if is_shown else naming.of(number)
    bottom = write_lines(pixels, begun(name), (left, TOP + 44), Pen(46, INK, BOLD), right - left)
    _verdict(pixels, run, number, (left, bottom + 40), right - left)
    _foot(pixels, run, INVENTED if naming.invented[number] else "" if is_shown else WITHHELD)
    return Image.fromarray(pixels)


def _pictures(canvas: Image.Image, run: Run, number: int, is_shown: bool) -> None:
    pen = ImageDraw.Draw(canvas)
    pair = portrait_pair(run, number)
    x = SIZE[0] - MARGIN - 2 * PICTURE - GAP
    for image, colour in zip((pair.original, pair.defended) if pair is not None else (None, None), (ORIGINAL, DEFENDED), strict=True):
        box = (x, TOP, x + PICTURE, TOP + PICTURE)
        if image is None:
            pen.rectangle(box, fill=LINE)
        else:
            shown = image if is_shown else fields_of_colour(image)
            canvas.paste(shown.resize((PICTURE, PICTURE), Image.Resampling.LANCZOS if is_shown else Image.Resampling.NEAREST), box[:2])
        pen.rectangle((x, TOP + PICTURE, x + PICTURE - 1, TOP + PICTURE + 6), fill=colour)
        x += PICTURE + GAP


def _verdict(pixels: np.ndarray, run: Run, number: int, start: tuple[int, int], width: int) -> None:
    x, y = start
    rows, records = outcomes(run.metrics.persons), run.idia.persons
    row = rows[number] if number < len(rows) else None
    if row is not None and row.templates.original is not None and row.templates.defended is not None:
        record = records[number] if number < len(records) else None
        n = n_templates(record) if record is not None else N_TEMPLATES
        counts = COUNTS_DRAWN if record is not None and record.original.is_drawn else COUNTS
        x += write_figure(pixels, str(row.templates.original), (x, y + 92), ORIGINAL) + 22
        x += write(pixels, "→", (x, y + 84), Pen(80, QUIET), width) + 22
        write_figure(pixels, str(row.templates.defended), (x, y + 92), DEFENDED)
        y = write_lines(pixels, counts.format(n=n), (start[0], y + 138), Pen(22, QUIET), width)
    verdict = VERDICTS.get(row.verdict, NOT_TESTED) if row is not None else NOT_TESTED
    write_lines(pixels, verdict, (start[0], y + 56), Pen(28, INK, BOLD), width)


def _foot(pixels: np.ndarray, run: Run, note: str) -> None:
    x = SIZE[0] - MARGIN - 2 * PICTURE - GAP
    y = TOP + PICTURE + 38
    write(pixels, BEFORE, (x, y), Pen(20, ORIGINAL, BOLD), PICTURE)
    write(pixels, AFTER, (x + PICTURE + GAP, y), Pen(20, DEFENDED, BOLD), PICTURE)
    base = SIZE[1] - 48
    pixels[base - 42 : base - 40, MARGIN : SIZE[0] - MARGIN] = LINE
    made = MADE.format(hash=_defended_hash(run)[:HASH_DIGITS], day=made_on(run).isoformat())
    width = text_width(made, Pen(19, QUIET))
    write(pixels, made, (SIZE[0] - MARGIN - width, base), Pen(19, QUIET), width)
    told = f"{SUPPRESSION}  ·  {note}" if note else SUPPRESSION
    write(pixels, told, (MARGIN, base), Pen(19, INK, BOLD), SIZE[0] - 2 * MARGIN - width - 30)


def _defended_hash(run: Run) -> str:
    """That of the text encoder where it was defended, else that of the image encoder."""
    image = run.metrics.image
    weights = image.weights if run.config.encoder == "image" and image is not None else run.metrics.weights
    return weights.defended or DASH


def text_width(text: str, pen: Pen) -> int:
    """Width in px."""
    import cv2

    x, _, width, _ = cv2.getTextSize((0, 0), text, (0, 0), cv2.FontFace("sans"), pen.size, pen.weight)
    return int(x + width)


def write(pixels: np.ndarray, text: str, start: tuple[int, int], pen: Pen, width: int) -> int:
    """Write one line from the left end of its base line, smaller where it would be wider than `width`; its width in px."""
    import cv2

    needed = text_width(text, pen)
    size = pen.size if needed <= width else max(8, pen.size * width // needed)
    cv2.putText(pixels, text, start, pen.colour, cv2.FontFace("sans"), size, pen.weight)
    return text_width(text, Pen(size, pen.colour, pen.weight))


def write_figure(pixels: np.ndarray, figure: str, start: tuple[int, int], colour: tuple[int, int, int]) -> int:
    """Write a large figure from the left end of its base line; its width in px. OpenCV's font strikes its zeros through."""
    layer = Image.fromarray(pixels)
    font = ImageFont.load_default(FIGURE)
    ImageDraw.Draw(layer).text(start, figure, fill=colour, font=font, anchor="ls", stroke_width=2, stroke_fill=colour)
    pixels[:] = np.asarray(layer)
    return round(font.getlength(figure))


def write_lines(pixels: np.ndarray, text: str, start: tuple[int, int], pen: Pen, width: int, n_lines: int = 2) -> int:
    """Write a text in at most so many lines, broken between words, smaller where it does not fit; the height of the last base line."""
    while pen.size > 12 and (len(lines := _broken(text, pen, width)) > n_lines or any(text_width(line, pen) > width for line in lines)):
        pen = Pen(pen.size - 2, pen.colour, pen.weight)
    x, y = start
    for number, line in enumerate(_broken(text, pen, width)[:n_lines]):
        y = start[1] + number * round(1.22 * pen.size)
        write(pixels, line, (x, y), pen, width)
    return y


def _broken(text: str, pen: Pen, width: int) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, pen) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
