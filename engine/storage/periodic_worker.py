"""Work in the background of a service: a turn at intervals, on a thread of its own."""

from abc import ABC, abstractmethod
from threading import Event, Thread


class PeriodicWorker(ABC):
    """Takes turns until it is closed; a turn that fails ends none of the later ones."""

    def __init__(self, name: str, seconds: float, *, first_after: float | None = None) -> None:
        """Turns are ``seconds`` apart; the first one begins after that time, if no other is given.

        ``name`` is that of the thread.
        """
        self._every = seconds
        self._first_after = seconds if first_after is None else first_after
        self._stop = Event()
        self._thread = Thread(target=self._run, name=name, daemon=True)

    @abstractmethod
    def run_turn(self) -> None:
        """Do what is due."""

    @abstractmethod
    def note_failure(self, error: Exception) -> None:
        """Log what a turn raised."""

    def start(self) -> None:
        """Begin to take turns."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the turn that runs."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        wait = self._first_after
        while not self._stop.wait(wait):
            wait = self._every
            try:
                self.run_turn()
            except Exception as error:
                self.note_failure(error)
