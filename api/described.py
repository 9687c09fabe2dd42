"""What the document says of an answer, worked out when somebody asks for the document.

Answers are made as JSON and not through these classes, so a start, a tenth of which it took, need
not wait for their schemas. Assumes that each route names one of them, not a list or a choice.
"""

from typing import ClassVar

from pydantic import ConfigDict


class Described:
    """Base of every class that describes an answer."""

    __slots__ = ()
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(defer_build=True)
