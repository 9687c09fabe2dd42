"""Release of free memory to the system, between the stages of a load, an export or a training.

A stage lets go of tables and columns as large as a history. Allocators keep such memory in
fragments, so that the next stage would come on top of it.
"""

import ctypes

import pyarrow as pa


def release_memory() -> None:
    """Return free memory of Arrow and of the C library to the system."""
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it
    if trim is not None:
        trim(0)
