"""The dial of a run: models between the original and the defended one, whom they still recognise, and what they draw.

Both ends are the run's own: its attacks and its portraits, file by file. Between them the portraits of one seed are drawn in one batch,
together with those of the ends once more, whose latents on the way show how the two grow from the same noise (`runs.denoising`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from unlearn.attacks.gallery import Gallery
from unlearn.attacks.interpolated import interpolated_prompts
from unlearn.attacks.own_photos import OwnPhotos
from unlearn.config import ResolvedConfig
from unlearn.files import disk_errors
from unlearn.models.clip import Clip
from unlearn.models.diffusion import Condition, conditions, draw
from unlearn.models.encoders import TextEncoder
from unlearn.models.images import embed_images
from unlearn.models.interpolation import interpolated
from unlearn.models.pair import Pair
from unlearn.models.suite import Suite
from unlearn.progress import Report, no_report
from unlearn.runs.denoising import Denoised, written_denoising
from unlearn.runs.dial_records import Dial, DialPosition
from unlearn.runs.evidence import Compared
from unlearn.runs.measuring import evaluation_photos
from unlearn.runs.portraits import MAX_PERSONS, write_png
from unlearn.runs.records import AttackRecord, PortraitEntry
from unlearn.runs.results import PORTRAITS, read_part, write_results
from unlearn.texts.prompts import fill

BETWEEN = (0.25, 0.5, 0.75)
FOLDER = "dial"  # of the pictures, within the run's


@dataclass(frozen=True)
class _Ends:
    """What the run itself says of one person: the files of both portraits, None where one is missing, and the attack's counts."""

    portraits: Pair[str] | None
    counts: Pair[int | None]


@dataclass(frozen=True)
class _Between:
    """A model between the ends: its counts of templates, and what a U-Net reads of it, person by person."""

    share: float
    counts: list[int | None]
    read: list[Condition]


def write_dial(out: Path, compared: Compared, suite: Suite, photos: OwnPhotos, report: Report = no_report) -> None:
    """Write dial.json, denoising.json and their pictures for a run whose attacks and portraits are written.

    Nothing is written where there is neither an attack nor a portrait. Where the encoder that draws was not defended, nothing is drawn:
    the portraits of all positions are those of the original.

    Args:
        out: the run's folder.
        compared: its models, galleries and prompts.
        suite: of the model set, which draws.
        photos: that the run was given or drew, as pictures.
        report: progress of drawing.
    """
    config, models = compared.config, compared.models
    ends = _ends(out, config)
    between = [_between(compared, share, photos, len(ends)) for share in BETWEEN]
    is_drawn_anew = models.defended.hidden is not models.original.hidden
    drawn = _draw(out, compared, suite, ends, between, report) if is_drawn_anew else {}
    rows = []
    for index, end in enumerate(ends):
        first, last = end.portraits or (None, None)
        positions = [DialPosition(0.0, first, end.counts.original)]
        for one in between:
            positions.append(DialPosition(one.share, drawn.get((one.share, index)) if is_drawn_anew else first, one.counts[index]))
        positions.append(DialPosition(1.0, last, end.counts.defended))
        rows.append(Dial(tuple(positions), config.portraits.seeds[0], index, is_drawn_anew))
    if any(position.picture or position.correct_templates is not None for row in rows for position in row.positions):
        write_results(out, dial=tuple(rows))


def _ends(out: Path, config: ResolvedConfig) -> list[_Ends]:
    """Both ends of each person who is drawn, as the run's files have them."""
    entries: tuple[PortraitEntry, ...] = read_part(out, "portraits")
    attacks: tuple[AttackRecord, ...] = read_part(out, "idia").persons
    seed, ends = config.portraits.seeds[0], []
    for index in range(min(len(config.persons), MAX_PERSONS)):
        named = [entry for entry in entries if (entry.person_index, entry.prompt, entry.seed) == (index, "name", seed)]
        files = {entry.model: f"{PORTRAITS}/{entry.file}" for entry in named}
        portraits = Pair(files["original"], files["defended"]) if len(files) == 2 else None
        record = attacks[index] if index < len(attacks) else None
        sides = (None, None) if record is None else (record.original.correct_templates, record.defended.correct_templates)
        ends.append(_Ends(portraits, Pair(*sides)))
    return ends


def _between(compared: Compared, share: float, photos: OwnPhotos, n_persons: int) -> _Between:
    clip, config = interpolated(compared.models, share), compared.config
    names = [person.name for person in config.persons[:n_persons]]
    prompts = [fill(config.portraits.prompt_template, name) for name in names]
    read = conditions(clip.hidden, prompts) if clip.hidden is not None else []
    if not compared.is_attacked:
        return _Between(share, [None] * n_persons, read)
    gallery = _seen_by(clip, compared, names, photos)
    table = interpolated_prompts(clip.text, gallery, compared.prompts, share, names)
    return _Between(share, [outcome.correct_templates for outcome in gallery.attack(table, names)], read)


def _seen_by(clip: Clip, compared: Compared, names: list[str], photos: OwnPhotos) -> Gallery:
    """The gallery with the photos of these persons as a model between the ends sees them."""
    gallery = compared.galleries.original
    if clip.image is compared.models.original.image:
        return gallery
    pictures = {name: evaluation_photos(name, compared.world, photos) for name in names if name in gallery.photos}
    return replace(gallery, photos={name: embed_images(clip.image, of_person) for name, of_person in pictures.items()})


def _draw(
    out: Path, compared: Compared, suite: Suite, ends: list[_Ends], between: list[_Between], report: Report
) -> dict[tuple[float, int], str]:
    """(Share, person) -> the file of the portrait; denoising.json is written of the first person who has portraits."""
    config, models = compared.config, compared.models
    drawn = {index: end.portraits for index, end in enumerate(ends) if end.portraits is not None}
    if not suite.can_draw or not drawn:
        return {}
    (first, portraits), seed = next(iter(drawn.items())), config.portraits.seeds[0]
    prompt = fill(config.portraits.prompt_template, config.persons[first].name)
    grown = [condition for model in models for condition in conditions(cast(TextEncoder, model.hidden), [prompt])]
    denoised, keys = Denoised(Pair(0, 1)), [(one.share, index) for index in drawn for one in between]
    read = [*grown, *(one.read[index] for index in drawn for one in between)]
    pictures = draw(suite.diffusion(), read, replace(config.portraits, seeds=(seed,)), report, denoised)[0, len(grown) :]
    files = {key: f"{FOLDER}/p{key[1]:02d}-{100 * key[0]:03.0f}-s{seed}.png" for key in keys}
    with disk_errors("The pictures of the dial"):
        (out / FOLDER).mkdir(exist_ok=True)
    for key, picture in zip(keys, pictures, strict=True):
        write_png(out / files[key], picture)
    denoising = written_denoising(out, FOLDER, suite.diffusion(), denoised, portraits)
    write_results(out, denoising=(replace(denoising, seed=seed, person_index=first),))
    return files
