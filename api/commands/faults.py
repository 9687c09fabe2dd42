"""``darvoza faults``: what a real service keeps of its promises when things go wrong."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from api.commands.common import JsonOption, UnusedHomeOption, emit, progress, say

if TYPE_CHECKING:
    from experiments.faults.audit import Counts
    from experiments.faults.service import Forker

Fault = Literal["kill", "duplicate"]
CROSSINGS = 2_000


def faults(
    fault: Annotated[Fault, typer.Argument(help="What is done to the service.")],
    trials: Annotated[int, typer.Option(min=1, help="How often.")] = 200,
    *,
    planted: Annotated[
        bool, typer.Option("--planted", help="Run the twin with the bug, which must be caught.")
    ] = False,
    _home: UnusedHomeOption,
    as_json: JsonOption = False,
) -> None:
    """Do something bad to a real service; exit status 1 where a promise was broken."""
    say("a SYNTHETIC network in a scratch home")
    with progress() as bar, forker() as forks:
        counts = run(
            fault,
            forks,
            trials=trials,
            planted=planted,
            told=lambda done, of: bar(f"fault {fault}", done, of),
        )

    def text() -> None:
        for name, value in counts.as_dict().items():
            typer.echo(f"{name:>14}  {value}")

    emit(counts.as_dict(), as_json=as_json, text=text)
    if not counts.holds:
        raise typer.Exit(1)


def forker() -> "Forker":
    """Return a process that starts services, to be closed."""
    from experiments.faults.service import Forker

    return Forker([sys.executable, "-m", "api.commands.forker"])


def run(
    fault: Fault,
    forks: "Forker",
    *,
    trials: int,
    planted: bool,
    told: Callable[[int, int], None],
) -> "Counts":
    """Make a scratch deployment, do this to its service, and count what was broken."""
    import asyncio

    from api.commands.scratch import scratch
    from api.runtime import open_store
    from api.subservice import free_port
    from engine.receipts import open_signer
    from experiments.arrivals import endless
    from experiments.faults.audit import audit
    from experiments.faults.duplicate import duplicate
    from experiments.faults.kill import kill
    from experiments.faults.service import Service

    with scratch(crossings=CROSSINGS) as made:
        service = Service(forks, made.environment, free_port(), fault if planted else "")
        waiting = endless(made.arrivals, prefix=fault)
        do = {"kill": kill, "duplicate": duplicate}[fault]
        running = do(service, waiting, keys=made.keys, trials=trials, told=told)
        book, key = asyncio.run(running), open_signer(made.home).public_key
        store = open_store(made.home)
        try:
            return audit(book, store, key, fault=fault, trials=trials)
        finally:
            store.dispose()
