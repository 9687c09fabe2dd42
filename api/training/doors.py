"""The doors of the area of exercises, which have a service and a home of their own."""

from typing import Final

from api.areas import Doors

DOORS: Final = Doors(name="exercises")
