"""Paths as users write them, and a home folder where there is none. Imported through `unlearn.config`."""

from __future__ import annotations

import os
from pathlib import Path

from unlearn.errors import ConfigError


def user_path(path: str | Path) -> Path:
    """The path with a leading `~` or `~name` replaced by that home folder.

    Raises:
        ConfigError: there is no such home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"The path {str(path)!r} starts with a home folder that does not exist here; write it in full.") from error


def expanded_argument(argument: str) -> str:
    """An argument of a command line with `~/` replaced behind `--option=` or `key=`, where no shell does so.

    Raises:
        ConfigError: there is no such home folder.
    """
    key, mark, value = argument.rpartition("=")
    return f"{key}{mark}{user_path(value)}" if value == "~" or value.startswith("~/") else argument


def settle_home(data_dir: Path) -> None:
    """Give this process a home folder where it has none, for the caches of the libraries.

    A container that runs under a number without an entry among its users has none; there, some libraries fail when they
    are imported, and others make a folder that is called `~`.
    """
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = str(data_dir.absolute() / "home")
