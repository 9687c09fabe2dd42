"""One running service a module, by a clock, seeds and passwords that cost and change nothing."""

from importlib import import_module

import pytest

# What a started service imports by a thread of its own is imported here: FastAPI silences a warning
# of pydantic meanwhile, and filters of warnings are shared by all threads.
import_module("api.site")


@pytest.fixture(scope="module", autouse=True)
def service_stage(noon: None, seeded_shifts: None, cheap_passwords: None) -> None:
    """Set the stage; a module that needs full passwords overrides a fixture."""
