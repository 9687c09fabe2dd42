"""A load runs without garbage collection, and uses freed memory again."""

import gc
import subprocess
import sys

import pytest

from features.offline.memory_release import pause_collection

_COUNT_FAULTS = """
import resource
import numpy as np
from features.offline.memory_release import keep_freed_memory

KEEP
first = np.ones(20_000_000)
del first
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    np.ones(19_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.parametrize("enabled", [True, False])
def test_a_pause_leaves_collection_as_it_was(
    monkeypatch: pytest.MonkeyPatch, enabled: bool
) -> None:
    state = [enabled]
    monkeypatch.setattr(gc, "isenabled", lambda: state[-1])
    monkeypatch.setattr(gc, "enable", lambda: state.append(True))
    monkeypatch.setattr(gc, "disable", lambda: state.append(False))
    with pause_collection():
        assert not gc.isenabled()
    assert gc.isenabled() is enabled


@pytest.mark.integration
def test_arrays_come_from_memory_that_was_freed() -> None:
    pages = {}
    for keep in ("keep_freed_memory()", "pass"):
        code = _COUNT_FAULTS.replace("KEEP", keep)
        found = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        pages[keep] = int(found.stdout)
    assert 10 * pages["keep_freed_memory()"] < pages["pass"], pages
