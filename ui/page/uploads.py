"""Uploaded files: handed on as they are, and removed from Gradio's folder as soon as they were read.

Gradio stores an upload under the file's original name. Its own components would open, convert or copy the file; this one does not.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.component_meta import ComponentMeta
from gradio.utils import get_upload_folder

from unlearn.errors import InputError

GONE = "An uploaded file is no longer on the server; choose it again."


class _Quietly(ComponentMeta):
    """Makes a component that inherits all its events; Gradio's own way would write a stub file beside this module."""

    def __new__(cls, name: str, bases: tuple[type, ...], attributes: dict[str, Any]) -> Any:
        return type.__new__(cls, name, bases, attributes)


class PhotoFiles(gr.File, metaclass=_Quietly):
    """A component for one file or many; its value is a list of paths.

    It accepts files of every name (no `file_types`): the browser would go by their endings and silently leave out photos. Files that
    are no photos are reported when they are read. What a picker offers first is set by the page's script.
    """

    is_template = True

    def preprocess(self, payload: Any) -> list[str]:
        """Paths of the uploads."""
        files = getattr(payload, "root", payload) or []
        return [file.path for file in (files if isinstance(files, list) else [files])]


def checked(paths: Sequence[str | None]) -> list[Path]:
    """The paths, each a file in the folder of uploads.

    Raises:
        InputError: one is missing, or given twice.
    """
    folder = Path(get_upload_folder()).resolve()
    try:
        files = [Path(path or "").resolve() for path in paths]
        are_here = all(path.is_file() and path.is_relative_to(folder) for path in files)
    except (OSError, ValueError):  # not a valid path
        are_here = False
    if not are_here:
        raise InputError(GONE)
    if len(set(files)) < len(files):
        raise InputError("A photo is given twice; give each photo once.")
    return files


@contextlib.contextmanager
def temporary_uploads(paths: Sequence[str | None]) -> Iterator[list[Path]]:
    """The uploads while they are read; afterwards nothing of them is left in Gradio's folder, even after an error."""
    files = checked(paths)
    try:
        yield files
    finally:
        for path in files:
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # another visitor's upload may be in it by now
                path.parent.rmdir()


def path_of(file: Any) -> str:
    """Path of a file that was sent to an endpoint (`gradio_client.handle_file`)."""
    path = file.get("path") if isinstance(file, dict) else None
    if not isinstance(path, str) or not path:
        raise InputError("Send each photo with gradio_client.handle_file and a path.")
    return path
