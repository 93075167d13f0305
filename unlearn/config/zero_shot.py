"""Published data sets of labelled pictures on which zero-shot accuracy is measured; imported through `unlearn.config`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

from unlearn.config.limits import require_short
from unlearn.config.plain_values import require
from unlearn.errors import ConfigError

DataSetName = Literal["imagenet-v2", "cifar10", "cifar100", "flowers-102", "sun397", "facescrub"]
DATA_SETS: tuple[DataSetName, ...] = get_args(DataSetName)


@dataclass(frozen=True)
class ZeroShotSource:
    """A published data set and where it lies.

    Attributes:
        data_set: which one; its layout, the names of its classes and its prompt templates are known.
        source: a folder as it was published, or "hub:owner/data-set:image-column:label-column".
    """

    data_set: DataSetName
    source: str

    def __post_init__(self) -> None:
        known = f"use {', '.join(DATA_SETS[:-1])} or {DATA_SETS[-1]}"
        require(self.data_set in DATA_SETS, f"zero_shot: {str(self.data_set)[:40]!r} is no data set that is known; {known}.")
        require(bool(self.source), f"zero_shot: {self.data_set} has no folder; name one.")
        require_short(f"zero_shot: the folder of {self.data_set}", self.source)


def written_sources(options: Sequence[str]) -> tuple[ZeroShotSource, ...]:
    """The sources of "imagenet-v2=FOLDER" each.

    Raises:
        ConfigError: no folder, no data set that is known, or one of them twice.
    """
    sources = []
    for option in options:
        name, equals, source = option.partition("=")
        if not equals:
            raise ConfigError(f"--zero-shot needs 'DATA-SET=FOLDER', as in {DATA_SETS[0]}=FOLDER.")
        sources.append(ZeroShotSource(cast(DataSetName, name.strip().lower()), source))
    check_sources(sources)
    return tuple(sources)


def check_sources(sources: Sequence[ZeroShotSource]) -> None:
    """Raise `ConfigError` where a data set is named twice."""
    names = [source.data_set for source in sources]
    for name in dict.fromkeys(names):
        require(names.count(name) == 1, f"zero_shot: {name} is named {names.count(name)} times; name it once.")
