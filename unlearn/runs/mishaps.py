"""What goes wrong after the fine-tuning and must not cost it: the run ends with what it has and says what is missing."""

from __future__ import annotations

import errno
import logging
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from unlearn.errors import UnlearnError
from unlearn.memory import is_out_of_memory
from unlearn.progress import Progress, Report

_PATH = re.compile(r"(?<![\w.])(?:[A-Za-z]:)?[/\\](?:[^\s/\\'\",;]+[/\\])*([^\s/\\'\",;]+)")
UNEXPECTED = "something unexpected went wrong"

log = logging.getLogger(__name__)


class Mishaps:
    """Keeps a run going where something fails that can be done again later.

    Args:
        report: of the run. What it raises (a cancelled job, a job out of time, a server that is gone) ends the run wherever it is raised.

    Attributes:
        warnings: one sentence for each failure, for the results.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._ending: BaseException | None = None
        self.warnings: list[str] = []

    def report(self, progress: Progress) -> None:
        """The run's report; stages have to use this one."""
        try:
            self._report(progress)
        except BaseException as error:
            self._ending = error
            raise

    @contextmanager
    def spared(self, missing: str, later: str) -> Iterator[None]:
        """Work on a part of the results that a run can do without.

        Args:
            missing: what would be missing, as the beginning of a sentence: "The portraits are missing".
            later: one sentence on how to get it all the same.
        """
        try:
            yield
        except Exception as error:  # whatever a library raises; the fine-tuning is worth more than any part of its measuring
            if error is self._ending:
                raise
            cause = reason(error)
            if cause.startswith(UNEXPECTED):
                # Only places and the kind of error are logged: the text of a foreign error may hold a name.
                frames = "".join(traceback.format_tb(error.__traceback__))
                log.warning("a part of a run failed with %s\n%s", type(error).__name__, frames)
            self.warnings.append(f"{missing}: {cause}. {later}")


def reason(error: BaseException) -> str:
    """Why something failed, in a few words without a path of this machine."""
    link: BaseException | None = error
    while link is not None:
        if is_out_of_memory(link):
            return "the memory did not suffice"
        if isinstance(link, OSError) and link.errno == errno.ENOSPC:
            return "the disk is full"
        link = link.__cause__
    if isinstance(error, UnlearnError):
        return without_folders(str(error)).rstrip(". ")
    return f"{UNEXPECTED} ({type(error).__name__})"


def without_folders(text: str) -> str:
    """A text with the last part of each path in it instead of the path."""
    return _PATH.sub(r"\1", text)
