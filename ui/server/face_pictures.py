"""What the defence of faces needs besides photos of the person, and what that costs the first time."""

from __future__ import annotations

from dataclasses import dataclass

from ui.server.gpu_need import sources_s
from ui.server.service import Service
from unlearn.config import ForgetConfig, Person
from unlearn.models.picture_sources import n_drawn
from unlearn.models.sets import find_model_set


@dataclass(frozen=True)
class DrawnFirst:
    """Pictures that the model set draws before its first defence of a face.

    Attributes:
        n_pictures: how many; 0: the set, or the server, has all that is needed.
        seconds: about how long that takes on a GPU.
        can_draw: whether the set has a Stable Diffusion.
    """

    n_pictures: int
    seconds: float
    can_draw: bool


def drawn_first(service: Service) -> DrawnFirst:
    """What is drawn for one face with the set's own settings."""
    model_set, settings = find_model_set(service.options.model_set), service.settings
    config = ForgetConfig((Person("Somebody"),), service.options.model_set, encoder="image")
    seconds = sources_s(config, model_set, settings)
    return DrawnFirst(n_drawn(config, model_set, settings), seconds, model_set.diffusion is not None)
