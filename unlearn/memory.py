"""Has the C library keep freed memory for the next tensor, instead of giving it back page by page; knows when there was too little.

On Linux a tensor of some megabytes is mapped anew at every allocation, and touching fresh pages costs more than many an
operation on them.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # numbers of mallopt in <malloc.h>
_KEEP_BYTES = 2**31 - 1  # the largest value that mallopt takes
_GROW_BYTES = 256 * 2**20
_NO_MEMORY = ("outofmemory", "out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory", "std::bad_alloc",
              "cublas_status_alloc_failed")  # fmt: skip


def free_memory(meminfo: Path = Path("/proc/meminfo"), group: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes that this process can still take before Linux ends it: of the machine, swap included, and of its container; None elsewhere.

    Linux grants memory that it does not have and kills who uses it, so that no error could be caught.
    """
    numbers = _numbers(meminfo)
    if "MemAvailable" not in numbers:
        return None
    free = 1024 * (numbers["MemAvailable"] + numbers.get("SwapFree", 0))
    try:
        limit, used = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
    except (OSError, ValueError):  # no container, or one without limit ("max")
        return free
    return min(free, limit - used + _numbers(group / "memory.stat").get("file", 0))  # what is kept of files makes room


def _numbers(path: Path) -> dict[str, int]:
    """The numbers of a file whose lines are a name and a number."""
    try:
        rows = [line.replace(":", " ").split() for line in path.read_text().splitlines()]
    except OSError:
        return {}
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdecimal()}


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the memory of this machine or of its GPU does not suffice; libraries have no class in common for it."""
    text = f"{type(error).__name__} {error}".lower()
    return isinstance(error, MemoryError) or any(words in text for words in _NO_MEMORY)


def keep_freed_memory() -> bool:
    """Call once, before the first tensor of a process that computes; whether the C library took it."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # not glibc
        return False
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _KEEP_BYTES), (_TOP_PAD, _GROW_BYTES))
    accepted = [mallopt(ctypes.c_int(name), ctypes.c_int(value)) == 1 for name, value in settings]
    return all(accepted)
