"""The doors of the area of standard messages, which are bodies of routes of the core."""

from typing import Final

from api.areas import Doors

DOORS: Final = Doors(
    name="messages",
    parts={"body_formats": "api.messages.formats:MessageFormats"},
)
