"""What comes first in a run: the model set is loaded, all inputs are read and checked, and nothing has been computed yet.

What would only be missed later (files of texts, pictures, a scheduler that cannot draw) is missed here.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from torch import Tensor

from unlearn.attacks.gallery import Gallery, build_gallery
from unlearn.config import ForgetConfig, ResolvedConfig, Settings
from unlearn.defence.defend import require_texts
from unlearn.defence.stand_ins import with_stand_ins
from unlearn.defence.trigger_checks import common_words, looked_at_captions, require_room
from unlearn.measure.data_sets.data_set import DataSet
from unlearn.measure.data_sets.opening import open_data_sets
from unlearn.measure.labelled_images import measured_things
from unlearn.models.clip import Clip
from unlearn.models.suite import Suite, suite_of
from unlearn.models.worlds import Things, known_names
from unlearn.progress import Report
from unlearn.runs.folder import Attacked, prepare
from unlearn.runs.inputs import RunPhotos


@dataclass(frozen=True)
class PreparedRun:
    """A run whose inputs have been read and checked.

    Attributes:
        suite: the original model set.
        config: complete.
        out: the run folder.
        photos: of a user.
        things: what zero-shot accuracy is measured on; None: nothing.
        gallery: as the original sees it.
        warnings: sentences for the results about the inputs.
        drawable: done when drawing is known to be possible; its result raises where it is not.
        data_sets: published ones, opened, on which zero-shot accuracy is measured.
        drawn_controls: names in the gallery that the original does not know, with pictures that it drew of them.
    """

    suite: Suite
    config: ResolvedConfig
    out: Path
    photos: RunPhotos
    things: Things | None
    gallery: Gallery
    warnings: tuple[str, ...]
    drawable: Future[None]
    data_sets: tuple[DataSet, ...] = ()
    drawn_controls: tuple[str, ...] = ()

    def attack(self, gallery: Gallery, prompts: Tensor) -> Attacked:
        """The attack on the persons of the run, the other members of the set's world, its strangers, and what was drawn as control."""
        names, world = [person.name for person in self.config.persons], self.suite.world
        others = [other for other in world.inhabitants if other.name in gallery.photos and other.name not in names] if world else []
        members = [other.name for other in others if other.member]
        strangers = [other.name for other in others if not other.member]
        # At once: each call prepares the table of prompts.
        outcomes = iter(gallery.attack(prompts, [*names, *members, *strangers, *self.drawn_controls]))
        return Attacked(*(list(islice(outcomes, len(group))) for group in (names, members, strangers, self.drawn_controls)))


def prepared_run(forget_config: ForgetConfig, settings: Settings, out: Path, photos: RunPhotos, report: Report) -> PreparedRun:
    """Load the model set and read all inputs.

    Args:
        forget_config: as the user wrote it.
        settings: device, folders.
        out: the run folder; made, or found to be usable.
        photos: of a user.
        report: progress of reading labelled images.

    Raises:
        UnlearnError: an input that cannot be used, or a model set that cannot be loaded.
    """
    data_sets = open_data_sets(forget_config.zero_shot)
    suite = suite_of(forget_config.model_set, settings)
    config = suite.model_set.resolved(forget_config)
    require_texts(config)
    drawable = _check_drawing(suite, config)
    doubts = _doubts(suite.clip, config)
    things, warnings = measured_things(config, suite.clip.image, suite.world, settings, report)
    prepare(out, suite.clip, config.encoder)
    gallery = build_gallery(suite.clip, suite.world, config.persons, config.idia, photos.attacked)
    config = with_stand_ins(config, suite.clip, [*gallery.candidates, *gallery.base_names, *known_names(suite.world)])
    return PreparedRun(suite, config, out, photos, things, gallery, (*doubts, *warnings), drawable, data_sets)


def _check_drawing(suite: Suite, config: ResolvedConfig) -> Future[None]:
    """Done when drawing is known to be possible.

    Reading the drawing library's code takes seconds of one core, as long as the attack, which leaves room for it.
    """
    executor = ThreadPoolExecutor(1)
    drawable = executor.submit(suite.require_drawing, config.portraits)
    executor.shutdown(wait=False)
    if config.portraits.scheduler != suite.model_set.portraits.scheduler:
        drawable.result()  # what somebody typed is looked at before anything is computed
    return drawable


def _doubts(original: Clip, config: ResolvedConfig) -> list[str]:
    """Warnings about the names; raises `InputError` where they cannot be used with this model set."""
    texts = () if config.encoder == "image" else (original.hidden,)
    warnings = require_room(config, [encoder for encoder in dict.fromkeys((original.text, *texts)) if encoder is not None])
    if config.encoder != "image":
        warnings += common_words(config.persons, looked_at_captions(config.text.captions, config.seed))
    return warnings
