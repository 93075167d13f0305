"""Tells the C library to keep freed memory for the next tensor instead of giving it back page by page.

On Linux a tensor of some megabytes is mapped anew at every allocation, and touching fresh pages costs more than many
an operation on them. Knows no torch; elsewhere than on glibc it does nothing.
"""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # numbers of mallopt in <malloc.h>
_KEEP_BYTES = 2**31 - 1  # the largest value that mallopt takes
_GROW_BYTES = 256 * 2**20


def keep_freed_memory() -> bool:
    """Call once, before the first tensor of a process that computes; whether the C library took it."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # not glibc
        return False
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _KEEP_BYTES), (_TOP_PAD, _GROW_BYTES))
    taken = [mallopt(ctypes.c_int(name), ctypes.c_int(value)) == 1 for name, value in settings]
    return all(taken)
