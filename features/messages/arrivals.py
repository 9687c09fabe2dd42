"""A translated document and what the caller says of the crossing, as one arrival.

The caller's reading counts. What it does not say is taken from the document; where both speak and
differ, the field is named, because two papers that disagree are a signal. The command line and the
service both join them here, so that they cannot disagree.
"""

from collections.abc import Mapping
from typing import Any, get_args

from engine.domain.identifiers import fold
from engine.domain.records import DocumentField

_FIELDS: tuple[DocumentField, ...] = get_args(DocumentField)


def join_crossing(
    given: Mapping[str, Any],
    document: Mapping[str, Any],
    *,
    declaration: Mapping[str, Any] | None,
) -> tuple[dict[str, Any], tuple[DocumentField, ...]]:
    """Return the crossing, and the fields in which the document and the caller differ.

    ``given`` has the caller's fields, ``document`` the document's (``Translation.crossing``). The
    crossing names the document's declaration unless the caller names another.
    """
    filled = {name: value for name, value in document.items() if name not in given}
    if declaration is not None and "declaration_id" not in given:
        filled["declaration_id"] = declaration["declaration_id"]
    differing = tuple(
        name
        for name in _FIELDS
        if name in given and name in document and _key(given[name]) != _key(document[name])
    )
    return {**given, **filled}, differing


def _key(value: Any) -> object:
    """Return what two spellings of the same identifiers share."""
    return frozenset(map(fold, value)) if isinstance(value, list | tuple) else fold(value)
