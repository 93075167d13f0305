"""Options that several commands share, and how the options of `forget` become its config.

A config starts from that of an earlier run or from the defaults; then single fields are set as FIELD=VALUE, which one parser reads for
texts, images and portraits.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, cast

import typer

from unlearn.config import FineTuneConfig, ForgetConfig, Settings, TextFineTuneConfig, numbered_seeds
from unlearn.config.plain_values import field_value
from unlearn.errors import ConfigError, InputError

if TYPE_CHECKING:
    from unlearn.models.sets import ModelSet

AnySettings = TypeVar("AnySettings")
AnySchedule = TypeVar("AnySchedule", bound=FineTuneConfig)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else.")]
OutFile = Annotated[Path | None, typer.Option("--out", help="Also write the JSON to this file.")]
RunFolder = Annotated[Path | None, typer.Option("--run", help="A run folder, as `forget --out` wrote it.")]
SetName = Annotated[
    str | None,
    typer.Option("--set", help="Model set; `sets` lists them. Left out: sd14 on a GPU with its weights, else embedded."),
]
Texts = Annotated[list[str] | None, typer.Option(help="May be given several times.")]


@dataclass(frozen=True)
class ScheduleOptions:
    """How long the fine-tuning is.

    Attributes:
        is_paper: the paper's schedule instead of the model set's own (--paper).
        n_steps: another number of steps (--steps); None: as the schedule says.
    """

    is_paper: bool = False
    n_steps: int | None = None


def settings_of(context: typer.Context) -> Settings:
    """The settings of a command: the options before it, which override the environment variables."""
    return replace(Settings.from_environment(), **context.obj)


def chosen_set(name: str | None, settings: Settings) -> str:
    """The model set of the option --set, or the default for this machine.

    Raises:
        ConfigError: no such set.
    """
    if name is not None:
        from unlearn.models.sets import find_model_set

        find_model_set(name)  # an unknown name is refused before torch is imported
        return name
    from unlearn.models.clip import default_model_set

    return default_model_set(settings)


def required(path: Path | None, option: str) -> Path:
    """The path of an option without a default.

    Raises:
        InputError: the option is missing.
    """
    if path is None:
        raise InputError(f"{option} is missing.")
    return path


def chosen_target(target: str | None, neutral_term: str | None, is_paper: bool) -> str | None:
    """What names are remapped to; None: nothing was chosen.

    With the paper's schedule, or with a neutral term alone, it is the neutral term.

    Raises:
        ConfigError: a stand-in is chosen together with the paper's schedule.
    """
    if target == "stand_in" and is_paper:
        raise ConfigError("--target stand_in is not the paper's; leave one of --target and --paper out.")
    return "neutral_term" if is_paper or (neutral_term is not None and target is None) else target


def starting_config(earlier: Path | None, overrides: dict[str, Any]) -> ForgetConfig:
    """The config that a run starts from.

    Args:
        earlier: a config.json; None: the defaults.
        overrides: fields of `ForgetConfig` that stand on the command line; they override those of the file.

    Raises:
        InputError: the file cannot be read, or persons and neutral term cannot be used.
        ConfigError: a setting cannot be used.
    """
    if earlier is None:
        return ForgetConfig(**{"persons": (), **overrides})
    try:
        text = earlier.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{earlier} cannot be read: {error}.") from error
    return replace(ForgetConfig.from_json(text), **overrides)


def with_text_options(
    config: ForgetConfig, schedule: ScheduleOptions, n_seeds: int | None, text: Sequence[str], portrait: Sequence[str]
) -> ForgetConfig:
    """The config with the command line's settings of the text encoder and the portraits.

    Args:
        config: persons and model set.
        schedule: of the fine-tuning.
        n_seeds: of the portraits: 0, 1, 2...; None: the seeds of the config.
        text: "field=value" each, fields of `TextFineTuneConfig`; they override the schedule.
        portrait: the same, fields of `PortraitConfig`; they override `n_seeds`.

    Raises:
        ConfigError: unknown field, or a value of a wrong kind or out of range.
    """
    from unlearn.models.sets import find_model_set

    defaults = find_model_set(config.model_set)
    portraits = config.portraits or defaults.portraits
    if n_seeds is not None:
        portraits = replace(portraits, seeds=numbered_seeds(n_seeds, "--portrait-seeds"))
    text_schedule = _scheduled(defaults, config.text or defaults.text_for(config.target), schedule, "--text", text)
    return replace(config, text=text_schedule, portraits=with_fields(portraits, "--portrait", portrait))


def with_drawn_options(config: ForgetConfig, drawn: Sequence[str]) -> ForgetConfig:
    """The config with the command line's settings of portraits in the place of photos, "field=value" each.

    Raises:
        ConfigError: unknown field, or a value of a wrong kind or out of range.
    """
    from unlearn.models.sets import find_model_set

    if not drawn:
        return config
    start = config.drawn_photos or find_model_set(config.model_set).drawn_photos
    return replace(config, drawn_photos=with_fields(start, "--drawn", drawn))


def with_image_options(
    config: ForgetConfig, encoder: str | None, schedule: ScheduleOptions, image: Sequence[str]
) -> ForgetConfig:
    """The config with the command line's choice of the encoder and settings of the image encoder.

    Args:
        config: persons and model set.
        encoder: text, image, both; None: as in the config.
        schedule: of the fine-tuning.
        image: "field=value" each, fields of `ImageFineTuneConfig`; they override the schedule.

    Raises:
        ConfigError: unknown encoder or field, or a value of a wrong kind or out of range.
    """
    from unlearn.models.sets import find_model_set

    if encoder is not None:
        config = replace(config, encoder=cast(Any, encoder))
    if config.encoder == "text" and not image:
        return config
    defaults = find_model_set(config.model_set)
    return replace(config, image=_scheduled(defaults, config.image or defaults.image, schedule, "--image", image))


def _scheduled(
    model_set: ModelSet, start: AnySchedule, schedule: ScheduleOptions, option: str, assignments: Sequence[str]
) -> AnySchedule:
    """A schedule of the command line; `start` is that of the earlier run or the set, `option` stands in messages."""
    from unlearn.models import schedule_choices

    changes = {} if schedule.n_steps is None else {"n_steps": schedule.n_steps}
    changes |= _changes(type(start), option, assignments)
    encoder: Literal["text", "image"] = "text" if isinstance(start, TextFineTuneConfig) else "image"
    choice = "paper" if schedule.is_paper else "own"
    try:
        return cast(AnySchedule, schedule_choices.schedule(model_set, encoder, choice, changes, start))
    except ConfigError as error:
        raise ConfigError(f"{option}: {error}" if assignments else str(error)) from error


def with_fields(settings: AnySettings, option: str, assignments: Sequence[str]) -> AnySettings:
    """The settings with single fields changed.

    Args:
        settings: an instance of a dataclass.
        option: under which `assignments` were written, for messages.
        assignments: "field=value" each; a value is JSON ([200, 300], {"every": 5}, null) or text as it is, `none` means null.

    Raises:
        ConfigError: unknown field, or a value of a wrong kind or out of range.
    """
    changes = _changes(type(settings), option, assignments)
    try:
        changed: AnySettings = replace(settings, **changes)  # type: ignore[type-var]
    except ConfigError as error:
        raise ConfigError(f"{option}: {error}") from error
    return changed


def _changes(kind: Any, option: str, assignments: Sequence[str]) -> dict[str, Any]:
    """Field -> value from "field=value" each, for a dataclass; the one reader of FIELD=VALUE."""
    known = [field.name for field in dataclasses.fields(kind)]
    changes: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or name.strip() not in known:
            raise ConfigError(f"{option} {assignment!r} is no setting; write FIELD=VALUE with a field out of {', '.join(known)}.")
        changes[name.strip()] = field_value(kind, name.strip(), _plain(value), f"{option} ")
    return changes


def _plain(value: str) -> Any:
    if value.strip().lower() == "none":
        return None
    try:
        return json.loads(value)
    except (json.JSONDecodeError, RecursionError):
        return value  # a path, a word, a prompt
