"""Paths and files of one home directory; nothing outside the home is ever written.

A home is a directory: the store (unless PostgreSQL holds it), the loaded history, the bundles, the
files of cases, the keys and the network file. Only the account that owns it can read it: an account
that reads the store can predict the random checks of a running shift.

Files are flushed to the disk. The SHA-256 of a file names it in the journal if it is too large to
be a record. A secret is written atomically and readable by its owner alone. A CSV file that people
open in a spreadsheet holds text, never a formula; bulk folders are not among them, because a load
reads every cell as it is.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from engine.errors import HomeError

VARIABLE = "DARVOZA_HOME"
DEFAULT = Path("var")
DATABASE_VARIABLE = "DARVOZA_DATABASE_URL"
OTHERS = 0o077
"""Bits of a mode that let other accounts in, those of the same group included."""


@dataclass(frozen=True, slots=True)
class Home:
    """The paths of one home directory."""

    root: Path

    @property
    def network(self) -> Path:
        """The network file."""
        return self.root / "network.toml"

    @property
    def agencies(self) -> Path:
        """The table of agencies, as it is edited; what counts is the one that records state."""
        return self.root / "agencies.toml"

    @property
    def oidc(self) -> Path:
        """The mapping of claims, as it is edited; what counts is the one that records state."""
        return self.root / "oidc.toml"

    @property
    def messages(self) -> Path:
        """National settings of standard messages, where there are any."""
        return self.root / "messages.toml"

    @property
    def mappings(self) -> Path:
        """Mapping files that a check of a file may name; absent before the first."""
        return self.root / "mappings"

    @property
    def retention(self) -> Path:
        """The retention schedule: days by kind of record."""
        return self.root / "retention.toml"

    @property
    def history(self) -> Path:
        """Loaded history: one folder for each load, named by its digest."""
        return self.root / "history"

    @property
    def bundles(self) -> Path:
        """Model bundles: one folder for each version."""
        return self.root / "bundles"

    @property
    def files(self) -> Path:
        """Files of cases, each named by its digest; absent before the first."""
        return self.root / "files"

    @property
    def keys(self) -> Path:
        """Secret key files of this home, readable by its owner alone."""
        return self.root / "keys"

    @property
    def link_keys(self) -> Path:
        """The private keys of the link identity, where the home has one."""
        return self.keys / "link.pem"

    @property
    def reports(self) -> Path:
        """Evaluation pages, one folder for each version."""
        return self.root / "reports"

    @property
    def quality(self) -> Path:
        """The last assessment of the data that was kept; it follows from the records."""
        return self.reports / "quality.json"

    @property
    def jobs(self) -> Path:
        """Folders of jobs that people started, each removed after some days.

        Absent before the first.
        """
        return self.root / "jobs"

    @property
    def tracking(self) -> Path:
        """The analysts' MLflow store."""
        return self.root / "mlflow"

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of the store: the environment's PostgreSQL, else SQLite in the home."""
        return os.environ.get(DATABASE_VARIABLE) or f"sqlite:///{self.root / 'darvoza.sqlite'}"

    @property
    def store_file(self) -> Path | None:
        """The file of a SQLite store; None where PostgreSQL holds it."""
        # A command that opens no store, such as help, needs none of this.
        from sqlalchemy import make_url

        from engine.storage.dialect import Dialect

        url = make_url(self.database_url)
        return Path(str(url.database)) if Dialect.of_url(self.database_url).is_sqlite else None

    def prepare(self) -> "Home":
        """Create the directories that are missing, and return the home by its full path.

        Closes the home, what is in it and all that this process writes from now on to other
        accounts. What another account owns stays as it is: :meth:`exposed` names it.
        """
        os.umask(0o077)
        home = Home(self.root.absolute())
        for folder in (home.root, home.history, home.bundles, home.tracking, home.keys):
            folder.mkdir(parents=True, exist_ok=True)
        for path in home._kept():
            status = path.stat()
            if status.st_uid == os.geteuid() and status.st_mode & OTHERS:
                path.chmod(status.st_mode & ~OTHERS & 0o7777)
        return home

    def exposed(self) -> list[str]:
        """Return the names of what other accounts can read or enter, the root as ``.``."""
        if self.root.is_dir() and not self.root.stat().st_mode & OTHERS:
            return []  # what is below cannot be reached
        found = [path for path in self._kept() if path.stat().st_mode & OTHERS]
        return [os.path.relpath(path, self.root) for path in found]

    def _kept(self) -> Iterator[Path]:
        """Yield the root, its folders and the files of its store, as far as they are there."""
        inner = (self.history, self.bundles, self.files, self.reports, self.tracking, self.keys)
        folders = (self.root, self.jobs, *inner)
        yield from (path for path in folders if path.is_dir())
        if (file := self.store_file) is not None:
            yield from (path for path in file.parent.glob(f"{file.name}*") if path.is_file())
        yield from (path for path in (self.network,) if path.is_file())


def default_root() -> Path:
    """Return the home's directory where none is given: the environment's, else ``./var``."""
    return Path(os.environ.get(VARIABLE) or DEFAULT)


def home_of(given: Path | None) -> Home:
    """Return the home that was given, else the default one."""
    return Home(given or default_root())


def flush_to_disk(path: Path) -> None:
    """Wait until a file, or a folder's list of names, would survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_durably(path: Path, content: bytes) -> None:
    """Write a new file and wait until the disk has it."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file in hex; it is read piece by piece, however large it is."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_secret(path: Path, make: Callable[[], bytes]) -> bytes:
    """Return a secret file's bytes, made on first use; raises ``HomeError`` where others can read.

    Where two processes make it at once, one wins and both read the same.
    """
    if not path.exists():
        draft = path.with_name(f"{path.name}.{token_hex(4)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(make())
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    if path.stat().st_mode & 0o077:
        why = "file permissions are too open (expected 0600): chmod 600, or replace the file"
        raise HomeError(path.name, why)
    return path.read_bytes()


FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet may take a cell for a formula by; the same behind blanks."""
TEXT_PREFIX = "'"


def escape_cell(text: str) -> str:
    """Return a text that a spreadsheet shows as it is, with an apostrophe before a formula.

    >>> escape_cell("=1+1"), escape_cell("c-17")
    ("'=1+1", 'c-17')
    """
    return (
        TEXT_PREFIX + text
        if text.startswith(FORMULA_STARTS) or text.lstrip().startswith(FORMULA_STARTS)
        else text
    )


def escape_cells(texts: Iterable[str]) -> list[str]:
    """Return every text as :func:`escape_cell` does."""
    return [escape_cell(text) for text in texts]
