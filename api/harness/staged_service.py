"""The service with a stopwatch at every stage, for the serving benchmark; the product has none.

``python -m api.harness.staged_service PORT OUT`` serves the home that the environment names. Each
stage's processor time is that of its own thread. When it is stopped it writes ``{"stages": {name:
seconds}, "decisions": n, "process": seconds}`` to OUT, counted from the last SIGUSR1 on.
"""

import json
import signal
import sys
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from pydoc import locate
from typing import Any
from unittest.mock import patch

import uvicorn

from api.app import create_app
from api.service.runtime import Runtime

STAGES = {
    "parse": "api.decisions.fast_path.parse_body",
    "read": "features.online.online_features.OnlineFeatures.read",
    "score": "models.bundle.Scorer.score",
    "explain": "engine.targeting.context.DecisionContextBuilder.explain",
    "commit": "engine.journal.journal.Journal.append",
    "answer": "api.service.runtime.SignedAnswers.view_decision",
    "batch": "engine.targeting.targeting.Targeting._decide",
}
"""What each stage is; ``decide`` is the batch's rest: draws, channel, rank, the record's body."""


class Stopwatch:
    """Sums processor time by stage."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start counting."""
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self.calls = dict.fromkeys(STAGES, 0)
        self._process = time.process_time()

    def around(self, stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return the work with its time taken."""

        @wraps(work)
        def measure(*args: Any, **more: Any) -> Any:
            began = time.thread_time()
            try:
                return work(*args, **more)
            finally:
                self.seconds[stage] += time.thread_time() - began
                self.calls[stage] += 1

        return measure

    def count(self) -> dict[str, Any]:
        """Return what was counted."""
        inner = sum(self.seconds[name] for name in ("read", "score", "explain", "commit"))
        seconds = self.seconds | {"decide": self.seconds["batch"] - inner}
        return {
            "stages": {name: seconds[name] for name in (*STAGES, "decide") if name != "batch"},
            "decisions": self.calls["answer"],
            "batches": self.calls["batch"],
            "process": time.process_time() - self._process,
        }


def main(port: int, out: Path) -> None:
    """Serve until stopped, then write what was counted."""
    watch = Stopwatch()
    for stage, place in STAGES.items():
        module, _, name = place.rpartition(".")
        owner: Any = locate(module)
        patch.object(owner, name, watch.around(stage, getattr(owner, name))).start()
    signal.signal(signal.SIGUSR1, lambda *_: watch.reset())
    close = Runtime.close

    def close_and_write(runtime: Runtime) -> None:
        out.write_text(json.dumps(watch.count()), "utf-8")
        close(runtime)

    patch.object(Runtime, "close", close_and_write).start()
    uvicorn.run(create_app(), host="127.0.0.1", port=port, access_log=False, log_level="error")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
