"""Places of seeds that were used, next to a home's keys and in no backup of its store.

A store that is restored knows fewer shifts than were drawn, and would draw the next one from a seed
that was used, and perhaps revealed, before. The marks are not restored with it, so they differ.
"""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from secrets import token_hex

from engine.journal.payloads import SeedPlaceBody

FOLDER = "seeds"
"""Within the folder of keys."""


@dataclass(frozen=True, slots=True)
class SeedMark:
    """The place of the seed that a shift of a post took last."""

    shift: str
    sequence: int
    index: int

    @classmethod
    def of(cls, shift: str, place: SeedPlaceBody) -> "SeedMark":
        """Return the mark of a shift that takes a place."""
        return cls(shift, place["sequence"], place["index"])

    def is_of(self, place: SeedPlaceBody) -> bool:
        """Tell whether this is a place in a chain."""
        return (self.sequence, self.index) == (place["sequence"], place["index"])


@dataclass(frozen=True, slots=True)
class SeedMarks:
    """Marks as files of a folder, one for each post, each replaced as a whole."""

    folder: Path

    def read(self, post: str) -> SeedMark | None:
        """Return the mark of a post; None where there is none that can be read."""
        try:
            found = json.loads(self._path(post).read_bytes())
            return SeedMark(str(found["shift"]), int(found["sequence"]), int(found["index"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, post: str, mark: SeedMark) -> bool:
        """Put the mark of a post onto the disk; False where it cannot be written."""
        path = self._path(post)
        draft = path.with_name(f"{path.name}.{token_hex(4)}")
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with os.fdopen(os.open(draft, flags, 0o600), "w", encoding="utf-8") as file:
                json.dump(
                    {"shift": mark.shift, "sequence": mark.sequence, "index": mark.index}, file
                )
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError:
            with suppress(OSError):
                draft.unlink()
            return False
        return True

    def _path(self, post: str) -> Path:
        # A post's code may hold any printable character.
        return self.folder / sha256(post.encode()).hexdigest()[:32]
