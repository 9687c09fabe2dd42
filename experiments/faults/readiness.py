"""Readiness and counters of a running service."""

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

from experiments.faults.senders import PATIENCE_SECONDS
from experiments.support.http_client import BROKEN, HttpConnection, get

PAUSE_SECONDS = 0.01
"""Between two requests."""
_NOT_YET: dict[str, Any] = {"mode": "", "model_version": None}


async def ready(line: HttpConnection) -> dict[str, Any]:
    """Return the body of ``/readyz``, or empty values where the service does not answer."""
    try:
        _, raw = await line.ask(get("/readyz"))
    except BROKEN:
        return _NOT_YET
    found: dict[str, Any] = json.loads(raw)
    return found


async def until(port: int, stands: Callable[[dict[str, Any]], bool]) -> None:
    """Wait until ``stands`` holds for the body of ``/readyz``."""
    async with asyncio.timeout(PATIENCE_SECONDS), HttpConnection(port) as line:
        while not stands(await ready(line)):
            await asyncio.sleep(PAUSE_SECONDS)


async def counter(line: HttpConnection, metric: str) -> float:
    """Return a counter of the service."""
    _, raw = await line.ask(get("/metrics"))
    found = re.search(rf"^{metric} (\S+)$", raw.decode(), re.MULTILINE)
    return 0.0 if found is None else float(found[1])
