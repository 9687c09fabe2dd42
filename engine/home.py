"""Where one deployment keeps its files; nothing outside the home is ever written.

A home is a directory: the store (unless PostgreSQL holds it), the loaded history, the bundles, the
keys and the network file.
"""

import os
from dataclasses import dataclass
from pathlib import Path

DATABASE_VARIABLE = "DARVOZA_DATABASE_URL"


@dataclass(frozen=True, slots=True)
class Home:
    """The paths of one home directory."""

    root: Path

    @property
    def network(self) -> Path:
        """The network file."""
        return self.root / "network.toml"

    @property
    def history(self) -> Path:
        """Loaded history: one folder for each load, named by its digest."""
        return self.root / "history"

    @property
    def bundles(self) -> Path:
        """Model bundles: one folder for each version."""
        return self.root / "bundles"

    @property
    def keys(self) -> Path:
        """Secret key files of this home, readable by its owner alone."""
        return self.root / "keys"

    @property
    def reports(self) -> Path:
        """Evaluation pages, one folder for each version."""
        return self.root / "reports"

    @property
    def tracking(self) -> Path:
        """The analysts' MLflow store."""
        return self.root / "mlflow"

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of the store: the environment's PostgreSQL, else SQLite in the home."""
        return os.environ.get(DATABASE_VARIABLE) or f"sqlite:///{self.root / 'darvoza.sqlite'}"

    def prepare(self) -> "Home":
        """Create the directories that are missing, and return the home by its full path.

        The keys are closed to others.
        """
        home = Home(self.root.absolute())
        for folder in (home.root, home.history, home.bundles, home.tracking):
            folder.mkdir(parents=True, exist_ok=True)
        home.keys.mkdir(mode=0o700, exist_ok=True)
        return home
