"""Memory of a load, an export or a training: free memory goes back to the system between stages.

A stage lets go of tables and columns as large as a history. Allocators keep such memory in
fragments, so that the next stage would come on top of it.
"""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa


def release_memory() -> None:
    """Return free memory of Arrow and of the C library to the system."""
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it
    if trim is not None:
        trim(0)


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
