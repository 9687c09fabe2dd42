"""A database server that stops at once, as when its machine is switched off, and comes back."""

import signal

from experiments.faults.service_process import Service
from experiments.support.postgres import Cluster


class StoppedServer:
    """Immediate stops: no connection is told, no transaction ends, the log is replayed at start."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def begin(self, service: Service) -> None:
        """Stop the server where it stands."""
        self._cluster.stop(signal.SIGQUIT)

    def end(self, service: Service) -> None:
        """Start it and wait until it takes connections."""
        self._cluster.start()
