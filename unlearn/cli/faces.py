"""The options of `forget` and `evaluation.names` for faces -> config and folders, results -> table; imports torch when it works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from unlearn.cli.console import print_json, progress_bar
from unlearn.cli.options import schedule_of
from unlearn.config import ForgetConfig, Settings
from unlearn.errors import InputError


def adapted_image(
    config: ForgetConfig, encoder: str | None, given: Sequence[str], schedule: tuple[bool, int | None]
) -> ForgetConfig:
    """The config with the encoder and the image settings of the command line.

    Args:
        config: persons and model set.
        encoder: text, image, both; None: as in the config.
        given: "field=value" each, the fields of `ImageFineTuneConfig`.
        schedule: (whether the paper's is wanted, number of steps or None).

    Raises:
        ConfigError: unknown field, or a value of a wrong kind or out of range.
    """
    from unlearn.models.sets import find_model_set

    if encoder is not None:
        config = replace(config, encoder=cast(Any, encoder))
    if config.encoder == "text" and not given:
        return config
    defaults = find_model_set(config.model_set)
    return replace(config, image=schedule_of(defaults, config.image or defaults.image, schedule, "--image", given))


def faces_by_name(config: ForgetConfig, folders: Sequence[Path]) -> dict[str, Path]:
    """Name -> folder of photos, in the order of the persons.

    Raises:
        InputError: not one for each person.
    """
    if not folders and config.encoder == "text":
        return {}
    if len(folders) != len(config.persons):
        raise InputError(
            f"{len(folders)} folders of photos (--faces) for {len(config.persons)} persons; give one for each --name, in their order."
        )
    return {person.name: folder for person, folder in zip(config.persons, folders, strict=True)}


def evaluate_faces_of(
    model_set: str, faces: Path, n_draws: int, chosen: dict[str, Any], how: tuple[Settings, bool, Path | None, bool]
) -> None:
    """Evaluate the image defence of a set and print the table.

    Args:
        model_set: a set with a world.
        faces: folder of the members' folders of photos.
        n_draws: of persons, for each number of faces.
        chosen: fields of `FaceEvaluationConfig` that are not at their defaults.
        how: (settings, only what is finished, file for the JSON, whether to print JSON).
    """
    from unlearn.evaluation.face_tables import face_table
    from unlearn.evaluation.faces import FaceEvaluationConfig, evaluate_faces

    settings, finished_only, out, as_json = how
    config = FaceEvaluationConfig(model_set, faces, n_draws=n_draws, **chosen)
    with progress_bar() as report:
        result = evaluate_faces(config, settings, report, out, finished_only)
    print_json(result) if as_json else print(face_table(result))
