"""Memory of a load, an export or a training: free memory goes back to the system between stages.

A stage lets go of tables and columns as large as a history. Allocators keep such memory in
fragments, so that the next stage would come on top of it.
"""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of glibc's malloc.h
_KEPT = 1 << 30
"""Bytes that are free at the end of the heap before the C library gives them back by itself."""


def release_memory() -> None:
    """Return free memory of Arrow and of the C library to the system."""
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it
    if trim is not None:
        trim(0)


def keep_freed_memory() -> None:
    """Let the C library keep freed memory for its next use; :func:`release_memory` gives it back.

    It takes arrays of more than 32 MB from the system and gives each back at once. The system
    clears every page that it hands out: that was a sixth of the processor time of a load of
    5,000,000 crossings.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc has it
    if mallopt is not None:
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, _KEPT)


@contextmanager
def pause_collection() -> Iterator[None]:
    """Look for no cyclic garbage within the block: a load makes rows by millions, and no cycles.

    To look through them again and again takes a tenth of its processor time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
