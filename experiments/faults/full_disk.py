"""A disk that is full: a small file system of the run's own, filled to the last byte.

In a user namespace every user may mount a tmpfs, on a fresh Debian without being root; the kernel
then refuses to write as on any full disk (ENOSPC). Where namespaces are closed, as in many
containers, the kernel forbids the service's files to grow any more (RLIMIT_FSIZE): it refuses in
the middle of a write as well, only under another name (EFBIG).
"""

import os
import resource
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from experiments.faults.service_process import Service

VARIABLE = "DARVOZA_SMALL_DISK"
"""Set within the namespace: where the small file system is."""
SIZE_MB = 192
_BLOCK = 1 << 20
_MOUNT = 'mount -t tmpfs -o "size=$1m" darvoza "$2" && shift 2 && exec "$@"'


class FilledDisk:
    """A small file system whose free space a file of the run takes up."""

    def __init__(self, folder: Path) -> None:
        self._ballast = folder / "ballast"

    def begin(self, service: Service) -> None:
        """Fill the disk; nothing that was there is touched."""
        block = _BLOCK
        with self._ballast.open("wb", buffering=0) as file:
            while block:
                try:
                    file.write(b"\0" * block)
                except OSError:
                    block //= 2

    def end(self, service: Service) -> None:
        """Free what was taken."""
        self._ballast.unlink()


class BoundFiles:
    """A service none of whose files may grow beyond what its store has now."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, service: Service) -> None:
        """Let the store's files grow no more."""
        largest = max(path.stat().st_size for path in self._folder.glob("darvoza.sqlite*"))
        resource.prlimit(service.pid, resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))

    def end(self, service: Service) -> None:
        """Let them grow again."""
        endless = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(service.pid, resource.RLIMIT_FSIZE, endless)


def small_disk() -> Path | None:
    """Return where the small file system is, where this process runs in its namespace."""
    found = os.environ.get(VARIABLE)
    return None if found is None else Path(found)


def on_a_small_disk(command: Sequence[str]) -> int | None:
    """Run a command with a small file system for its scratch; None where no namespace is to be had.

    Returns its exit status.
    """
    with tempfile.TemporaryDirectory(prefix="darvoza-disk-") as folder:
        enter = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _MOUNT, "sh"]
        enter += [str(SIZE_MB), folder]
        try:
            subprocess.run([*enter, "true"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        inside = {VARIABLE: folder, "TMPDIR": folder}
        return subprocess.run([*enter, *command], env={**os.environ, **inside}).returncode
