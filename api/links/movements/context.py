"""Features and network of a home, opened with the first message that needs them."""

from dataclasses import dataclass

from engine.domain.network import Network, read_home_network
from engine.ports import Features
from engine.storage.home import Home
from features.catalogue.plan import current_plan
from features.online.online_features import OnlineFeatures


@dataclass(slots=True)
class MovementContext:
    """Features and network of a home."""

    home: Home
    _opened: tuple[Features, Network] | None = None

    def open(self) -> tuple[Features, Network]:
        """Return both; raises ``HomeError`` where the network file is not usable."""
        if self._opened is None:
            network = read_home_network(self.home.network)
            self._opened = OnlineFeatures(current_plan(), network), network
        return self._opened
