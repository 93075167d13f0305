"""The command line as a whole: its commands, the options before a command, and how errors end.

Bad input ends with exit code 2 and one line. Every command imports torch and its friends inside, so that --help and usage errors
come at once.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from unlearn.cli import documents, faces, forget, measure, recovery, runs
from unlearn.cli.console import print_error
from unlearn.config.paths import expanded_argument, settle_home
from unlearn.errors import UnlearnError
from unlearn.jobs.failures import lack_of_memory
from unlearn.memory import keep_freed_memory

COMMANDS = (
    forget.sets, forget.people, forget.forget, forget.attack, runs.portraits, runs.predict, runs.probe, documents.report, documents.card,
    runs.accuracy, runs.verify, recovery.recover, faces.faces, measure.bench, measure.evaluate,
)  # fmt: skip

app = typer.Typer(
    help="Make CLIP and Stable Diffusion forget people, and measure whether they did.\n\n"
    "Start with:  python -m unlearn people  and  python -m unlearn forget --name 'First Last' --out runs/first",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in COMMANDS:
    app.command()(command)


@app.callback()
def common(
    context: typer.Context,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N.")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Never ask the network for missing weights.")] = False,
    data_dir: Annotated[Path | None, typer.Option(help="Folder for caches (default: data).")] = None,
    models_dir: Annotated[Path | None, typer.Option(help="Folder searched for weights first.")] = None,
    memory: Annotated[str | None, typer.Option(help="auto, low (parts wait on the CPU, small passes) or full.")] = None,
) -> None:
    """Options before the command; they override environment variables such as UNLEARN_DEVICE."""
    settle_home(data_dir or Path(os.environ.get("UNLEARN_DATA_DIR") or "data"))
    options = {
        "device": device, "n_threads": threads, "offline": offline or None, "data_dir": data_dir, "models_dir": models_dir,
        "memory": memory,
    }  # fmt: skip
    context.obj = {field: value for field, value in options.items() if value is not None}  # read by `options.settings_of`


def main() -> None:
    """Run the command line; every `UnlearnError`, and every file that cannot be used, ends with exit code 2 and one line."""
    keep_freed_memory()
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"  # else the Hub's client asks its host even when it only looks into its cache
    try:
        app([expanded_argument(argument) for argument in sys.argv[1:]])
    except Exception as error:
        message = _message(error)
        if message is None:
            raise
        print_error(message)
        sys.exit(2)


def _message(error: Exception) -> str | None:
    """What to tell of an error; None for one that is a defect of the program."""
    if lack := lack_of_memory(error):
        return str(lack)
    if isinstance(error, UnlearnError):
        return str(error)
    if not isinstance(error, OSError):
        return None
    if error.errno == errno.ENOSPC:
        return "The disk is full; free some space."
    return f"{error.filename or 'A file'} cannot be used ({error.strerror or error})."
