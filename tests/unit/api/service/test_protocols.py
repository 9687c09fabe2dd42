"""The composed service has every part that a protocol of its consumers names, of the same type."""

import sys
from collections.abc import Iterator
from typing import Any, Protocol, get_type_hints

import api.site
import api.training.app
from api.service.runtime import Runtime
from api.training.runtime import TrainingRuntime
from engine.storage.database import Store

PARTS = get_type_hints(Runtime)
OF_TRAINING = get_type_hints(TrainingRuntime)
"""Of a training home's own service."""


def protocols() -> Iterator[Any]:
    """Yield each protocol of the running service, wherever the application declares it."""
    assert api.site.ROUTERS
    assert api.training.app.__name__ in sys.modules
    for name in [name for name in sys.modules if name.startswith("api.")]:
        for one in vars(sys.modules[name]).values():
            is_protocol = isinstance(one, type) and getattr(one, "_is_protocol", False)
            if is_protocol and one.__module__ == name and one.__name__.endswith("Service"):
                yield one


def missing(protocol: Any) -> dict[str, object]:
    """Return what a protocol names and the service lacks, or has of another type."""
    wanted = get_type_hints(protocol)
    parts = OF_TRAINING if protocol.__module__.startswith("api.training.") else PARTS
    return {name: kind for name, kind in wanted.items() if parts.get(name) != kind}


def test_the_service_fits_the_protocol_of_each_consumer() -> None:
    found = list(protocols())
    assert len(found) > 9
    assert {one.__name__: missing(one) for one in found} == {one.__name__: {} for one in found}


def test_a_part_that_is_missing_or_of_another_type_is_found() -> None:
    """Negative control."""

    class LostService(Protocol):
        store: Store
        journal: Store
        nowhere: int

    assert missing(LostService) == {"journal": Store, "nowhere": int}
