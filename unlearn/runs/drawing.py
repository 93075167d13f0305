"""The pictures that a run draws for the attack on persons of whom neither the model set nor the user has photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from unlearn.attacks.gallery import build_gallery
from unlearn.attacks.own_photos import OwnPhotos
from unlearn.config import ForgetConfig, Person
from unlearn.models.sets import find_model_set
from unlearn.models.worlds import World
from unlearn.progress import Report, part_of
from unlearn.runs.drawn_photos import control_names, drawn_controls, drawn_persons
from unlearn.runs.portraits import MAX_PERSONS
from unlearn.runs.preparation import PreparedRun

STAGE = "drawing for the attack"
LEFT_OUT = "There are no photos of {} persons. Portraits for the attack were drawn of the first {}; the others were not attacked."


def without_photos(persons: Sequence[Person], world: World | None, photos: OwnPhotos) -> list[Person]:
    """Those of whom there are no photos."""
    return [person for person in persons if person.name not in photos and (world is None or world.find(person.name) is None)]


def drawing_stages(config: ForgetConfig, photos: OwnPhotos) -> dict[str, float]:
    """The stage of drawing -> its share of the time, where the run needs it; nothing is loaded for that but a world's list.

    Args:
        config: as the user wrote it.
        photos: of a user.

    Raises:
        UnlearnError: no such model set, or its world is damaged.
    """
    model_set = find_model_set(config.model_set)
    world = World(model_set.world) if model_set.world is not None else None
    drawn = config.drawn_photos or model_set.drawn_photos
    is_needed = model_set.diffusion is not None and drawn.n_portraits > 0 and without_photos(config.persons, world, photos)
    return {STAGE: 30.0} if is_needed else {}


def with_drawn_photos(run: PreparedRun, report: Report) -> PreparedRun:
    """The run with pictures of its first persons without photos, and of controls.

    Args:
        run: which needs them.
        report: progress of drawing, which can be cancelled.
    """
    config, world, suite = run.config, run.suite.world, run.suite
    lacking = without_photos(config.persons, world, run.photos.attacked)
    persons = lacking[:MAX_PERSONS]
    drawing = config.drawn_photos.drawing(config.portraits)
    controls = control_names(suite, config.drawn_photos.n_controls, [*config.names_in_use, *run.gallery.candidates])
    drawn = {
        **drawn_persons(suite, [person.name for person in persons], drawing, part_of(report, 0, 2)),
        **drawn_controls(suite, controls, drawing, part_of(report, 1, 2)),
    }
    photos = replace(run.photos, attacked={**run.photos.attacked, **drawn})
    gallery = build_gallery(suite.clip, world, config.persons, config.idia, photos.attacked)
    warnings = (*run.warnings, LEFT_OUT.format(len(lacking), MAX_PERSONS)) if len(lacking) > MAX_PERSONS else run.warnings
    return replace(run, photos=photos, gallery=gallery, drawn_controls=tuple(controls), warnings=warnings)
