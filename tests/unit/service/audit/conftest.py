"""A home without records, and one in which everything has happened."""

from tests.unit.service.audit.eventful_home import empty_home, eventful_home, eventful_world

__all__ = ["empty_home", "eventful_home", "eventful_world"]
