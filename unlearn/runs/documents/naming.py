"""How a document calls the persons of a run: by name where somebody chose so, else without it."""

from __future__ import annotations

from unlearn.config import ForgetConfig
from unlearn.config.spelling import trigger_pattern
from unlearn.errors import ConfigError, ModelLoadError
from unlearn.models.sets import find_model_set
from unlearn.models.worlds import World
from unlearn.runs.documents.details import Details

WITHHELD = "the person"
WITHHELD_ONE = "person {}"  # of several


class Naming:
    """The persons of a run as one document calls them.

    Attributes:
        is_shown: whether names are shown.
        invented: for each person, whether it is one of an invented world, so that no picture shows anybody.
    """

    def __init__(self, config: ForgetConfig, details: Details) -> None:
        self.is_shown = details.with_name
        self._persons = config.persons
        self._world = _drawn_world(config.model_set)
        self._pattern = trigger_pattern(trigger for person in config.persons for trigger in person.triggers)
        self.invented = tuple(self._world is not None and self._world.find(person.name) is not None for person in config.persons)

    def of(self, number: int) -> str:
        """What a person is called in the middle of a sentence."""
        if self.is_shown:
            return self._persons[number].name
        return WITHHELD if len(self._persons) == 1 else WITHHELD_ONE.format(number + 1)

    def cleaned(self, text: str) -> str:
        """A text from the run or the user without the names and aliases of its persons, unless they are shown."""
        return text if self.is_shown else self._pattern.sub(WITHHELD, text)

    def shows_likeness(self, number: int) -> bool:
        """Whether pictures of a person may be shown as they are: they belong to what identifies a real one."""
        return self.is_shown or self.invented[number]

    def is_invented(self, name: str) -> bool:
        """Whether somebody else, such as a bystander, belongs to an invented world."""
        return self._world is not None and self._world.find(name) is not None


def _drawn_world(model_set: str) -> World | None:
    """The world of a model set where its people are invented; None, too, where the set is not on this machine any more."""
    try:
        root = find_model_set(model_set).world
        world = World(root) if root is not None else None
    except (ConfigError, ModelLoadError):
        return None
    return world if world is not None and world.photo_kind == "drawn" else None


def begun(sentence: str) -> str:
    """The sentence with a capital letter: what stands for a name may have none."""
    return sentence[:1].upper() + sentence[1:]
