"""The open documents of other authors, where their folder is there."""

from pathlib import Path

_PLACE = Path("shared") / "data" / "messages"
_ROOT = Path(__file__).parents[4]
MESSAGES = next(
    (up / _PLACE for up in (_ROOT.parent, _ROOT.parents[1]) if (up / _PLACE).is_dir()),
    _ROOT / _PLACE,
)
"""The folder next to the working copy; it may be absent."""
