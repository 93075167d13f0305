"""The options of `forget` that choose its settings -> config: an earlier run's or the defaults, single fields as FIELD=VALUE.

One parser for the fields of texts, images and portraits.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from unlearn.config import FineTuneConfig, ForgetConfig, TextFineTuneConfig, name_key, numbered_seeds
from unlearn.config.plain_values import field_value
from unlearn.config.written_names import written_person
from unlearn.errors import ConfigError, InputError

if TYPE_CHECKING:
    from unlearn.models.sets import ModelSet

Chosen = TypeVar("Chosen")
AnySchedule = TypeVar("AnySchedule", bound=FineTuneConfig)


def chosen_target(target: str | None, neutral_term: str | None, is_paper: bool) -> str | None:
    """What names are remapped to: the neutral term, where the paper's schedule or a term is chosen, unless the target is named, too.

    Raises:
        ConfigError: a stand-in is asked for together with the paper's schedule.
    """
    if target == "stand_in" and is_paper:
        raise ConfigError("--target stand_in is not the paper's; leave one of --target and --paper out.")
    return "neutral_term" if is_paper or (neutral_term is not None and target is None) else target


def started(earlier: Path | None, given: dict[str, Any]) -> ForgetConfig:
    """The config that a run starts from.

    Args:
        earlier: a config.json; None: the defaults.
        given: fields of `ForgetConfig` that were named on the command line; they go before those of the file.

    Raises:
        InputError: the file cannot be read, or persons and neutral term cannot be used.
        ConfigError: a setting cannot be used.
    """
    if earlier is None:
        return ForgetConfig(**{"persons": (), **given})
    try:
        text = earlier.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{earlier} cannot be read: {error}.") from error
    return replace(ForgetConfig.from_json(text), **given)


def adapted(
    config: ForgetConfig, schedule: tuple[bool, int | None], n_seeds: int | None, text: Sequence[str], portrait: Sequence[str]
) -> ForgetConfig:
    """The config with the settings of texts and portraits of the command line.

    Args:
        config: persons and model set.
        schedule: (whether the paper's is wanted, number of steps or None).
        n_seeds: of the portraits: 0, 1, 2...; None: the seeds of the config.
        text: "field=value" each, fields of `TextFineTuneConfig`; they go before the schedule.
        portrait: the same, fields of `PortraitConfig`; they go before `n_seeds`.

    Raises:
        ConfigError: unknown field, or a value of a wrong kind or out of range.
    """
    from unlearn.models.sets import find_model_set

    defaults = find_model_set(config.model_set)
    drawn = config.portraits or defaults.portraits
    if n_seeds is not None:
        drawn = replace(drawn, seeds=numbered_seeds(n_seeds, "--portrait-seeds"))
    of_text = schedule_of(defaults, config.text or defaults.text_for(config.target), schedule, "--text", text)
    return replace(config, text=of_text, portraits=with_fields(drawn, "--portrait", portrait))


def schedule_of(
    model_set: ModelSet, start: AnySchedule, chosen: tuple[bool, int | None], option: str, given: Sequence[str]
) -> AnySchedule:
    """A schedule of the command line.

    Args:
        model_set: of the run.
        start: of the earlier run or the set.
        chosen: (whether the paper's is wanted, number of steps or None).
        option: under which `given` was written, for messages.
        given: "field=value" each; they go before the schedule.

    Raises:
        ConfigError: unknown field, or a value of a wrong kind or out of range.
    """
    from unlearn.models.schedule_choices import schedule

    is_paper, n_steps = chosen
    changes = {} if n_steps is None else {"n_steps": n_steps}
    changes |= changes_of(type(start), option, given)
    encoder: Literal["text", "image"] = "text" if isinstance(start, TextFineTuneConfig) else "image"
    try:
        return cast(AnySchedule, schedule(model_set, encoder, "paper" if is_paper else "own", changes, start))
    except ConfigError as error:
        raise ConfigError(f"{option}: {error}" if given else str(error)) from error


def with_fields(settings: Chosen, option: str, given: Sequence[str]) -> Chosen:
    """The settings with single fields changed; the one reader of FIELD=VALUE.

    Args:
        settings: an instance of a dataclass.
        option: under which `given` was written, for messages.
        given: "field=value" each; a value is JSON ([200, 300], {"every": 5}, null) or text as it is, `none` means null.

    Raises:
        ConfigError: unknown field, or a value of a wrong kind or out of range.
    """
    changes = changes_of(type(settings), option, given)
    try:
        changed: Chosen = replace(settings, **changes)  # type: ignore[type-var]
    except ConfigError as error:
        raise ConfigError(f"{option}: {error}") from error
    return changed


def changes_of(kind: Any, option: str, given: Sequence[str]) -> dict[str, Any]:
    """Field -> value from "field=value" each, for a dataclass; as of `with_fields`."""
    known = [field.name for field in dataclasses.fields(kind)]
    changes: dict[str, Any] = {}
    for text in given:
        name, mark, value = text.partition("=")
        if not mark or name.strip() not in known:
            raise ConfigError(f"{option} {text!r} is no setting; write FIELD=VALUE with a field out of {', '.join(known)}.")
        changes[name.strip()] = field_value(kind, name.strip(), _plain(value), f"{option} ")
    return changes


def _plain(value: str) -> Any:
    if value.strip().lower() == "none":
        return None
    try:
        return json.loads(value)
    except (json.JSONDecodeError, RecursionError):
        return value  # a path, a word, a prompt


def photo_folders(given: Sequence[str]) -> dict[str, Path]:
    """Name -> folder from "First Last=FOLDER" each.

    Raises:
        InputError: no folder, a name that cannot be used, or the same name twice.
    """
    found: dict[str, Path] = {}
    for text in given:
        name, mark, folder = text.partition("=")
        if not mark or not folder:
            raise InputError("--photos needs 'First Last=FOLDER'.")
        found[written_person(name, "--photos").name] = Path(folder)
    if len(set(map(name_key, found))) < len(given):
        raise InputError("--photos gives photos of the same person twice; put them into one folder.")
    return found
