"""Pictures for the attack on somebody of whom there are no photos: the original Stable Diffusion draws the name.

The controls are names that the original does not know, drawn in the same way: if they are recognised, too, a hit says nothing. Their
pictures are nobody's and are kept on disk. Those of a person are personal, and are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from unlearn.attacks.own_photos import DrawnPhotos
from unlearn.config import PortraitConfig
from unlearn.defence.stand_ins import strangers_names
from unlearn.models.drawings import drawings, kept_drawings
from unlearn.models.suite import Suite
from unlearn.progress import Report, no_report
from unlearn.texts.prompts import fill

CONTROL_SEED = 50_000  # of the controls' names; far from those of runs, so that they are seldom a run's stand-ins
N_TO_CHOOSE = 160  # names that controls are chosen among; about half of them are unknown enough


def drawn_persons(suite: Suite, names: Sequence[str], config: PortraitConfig, report: Report = no_report) -> dict[str, DrawnPhotos]:
    """Name -> pictures of it with every seed, by the original.

    Raises:
        ModelLoadError: the set has no Stable Diffusion, or it cannot be loaded.
    """
    if not names:
        return {}
    drawn = drawings(suite, [fill(config.prompt_template, name) for name in names], config, report)  # (seeds, names, h, w, 3)
    return {name: DrawnPhotos(list(drawn[:, number])) for number, name in enumerate(names)}


def control_names(suite: Suite, n_names: int, refused: Iterable[str]) -> list[str]:
    """Names for controls; arguments as of `strangers_names`."""
    return strangers_names(suite.clip, n_names, N_TO_CHOOSE, CONTROL_SEED, refused)


def drawn_controls(suite: Suite, names: Sequence[str], config: PortraitConfig, report: Report = no_report) -> dict[str, DrawnPhotos]:
    """As `drawn_persons`, for names of `control_names`; at the image encoder's size, and kept on disk."""
    if not names:
        return {}
    prompts = [fill(config.prompt_template, name) for name in names]
    drawn = kept_drawings(suite, prompts, config, report).permute(0, 1, 3, 4, 2).numpy()  # (seeds, names, side, side, 3)
    return {name: DrawnPhotos(list(np.ascontiguousarray(drawn[:, number]))) for number, name in enumerate(names)}
