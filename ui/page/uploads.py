"""Uploaded files: handed on as they are, and removed from Gradio's folder as soon as they were read.

Gradio keeps what is uploaded under the name that the file has at the visitor's; here it is neither opened, converted nor copied
a second time, as its own components would do.
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

GONE = "An uploaded file is not here any more; choose it again."


class _Quietly(ComponentMeta):
    """Makes a component that inherits all its events; Gradio's own way would write a stub file beside this module."""

    def __new__(cls, name: str, bases: tuple[type, ...], attributes: dict[str, Any]) -> Any:
        return type.__new__(cls, name, bases, attributes)


class PhotoFiles(gr.File, metaclass=_Quietly):
    """A component for one file or many; its value is a list of paths.

    It lets files of every name through (no `file_types`): the browser would go by their endings, and tell the visitor nothing of a
    photo that it leaves out. What is no photo is told where the files are read.
    """

    is_template = True

    def preprocess(self, payload: Any) -> list[str]:
        """Paths of the uploads."""
        files = getattr(payload, "root", payload) or []
        return [file.path for file in (files if isinstance(files, list) else [files])]


def checked(paths: Sequence[str | None]) -> list[Path]:
    """The paths, each a file in the folder of uploads.

    Raises:
        InputError: one is not (any more).
    """
    folder = Path(get_upload_folder()).resolve()
    try:
        found = [Path(path or "").resolve() for path in paths]
        are_here = all(path.is_file() and path.is_relative_to(folder) for path in found)
    except (OSError, ValueError):  # no path that the system takes
        are_here = False
    if not are_here:
        raise InputError(GONE)
    if len(set(found)) < len(found):
        raise InputError("A photo is given twice; give each once.")
    return found


@contextlib.contextmanager
def taken(paths: Sequence[str | None]) -> Iterator[list[Path]]:
    """The uploads while they are read; afterwards nothing of them is left in Gradio's folder, come what may."""
    found = checked(paths)
    try:
        yield found
    finally:
        for path in found:
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # somebody else's upload may be in it by now
                path.parent.rmdir()


def path_of(sent: Any) -> str:
    """Path of a file that came through an endpoint (`gradio_client.handle_file`)."""
    path = sent.get("path") if isinstance(sent, dict) else None
    if not isinstance(path, str) or not path:
        raise InputError("Send photos with the call, by gradio_client.handle_file.")
    return path
