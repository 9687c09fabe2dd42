"""SQLite's file, read ahead into the system's memory by a process of its own.

A decision reads some forty pages all over the file. After a start of the machine, or a training,
none of them is in memory. A process that uses the store must not open its file itself: to close it
again would end the locks that SQLite holds for the same process.
"""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

LEAST = 64 << 20
"""Bytes of a file that is worth a process: a smaller one is read in a moment."""
SHARE = 2
"""A file is read ahead where it is smaller than this part of the memory."""
_PROGRAM = """
import os, sys
with open(sys.argv[1], "rb", buffering=0) as file:
    for begin in range(0, os.fstat(file.fileno()).st_size, 8 << 20):
        os.posix_fadvise(file.fileno(), begin, 8 << 20, os.POSIX_FADV_WILLNEED)
"""


def read_ahead(path: Path | None) -> None:
    """Ask the system for a file's pages, and wait as long as the disk takes to begin with the last.

    Advice without a promise: nothing is raised. No processor time worth mentioning. None, the file
    of a store on PostgreSQL, is left out.
    """
    if path is None or not hasattr(os, "posix_fadvise"):
        return
    command = [sys.executable, "-I", "-S", "-c", _PROGRAM, str(path)]
    with suppress(OSError):  # no such file, or no process can be started
        if _is_worth_it(path):
            subprocess.run(command, check=False, capture_output=True, stdin=subprocess.DEVNULL)


def _is_worth_it(path: Path) -> bool:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return LEAST <= path.stat().st_size < memory // SHARE
