"""Shifts that no test sees the end of: the setting by which services of tests plan them."""

from datetime import datetime, timedelta

SHIFT_STARTS = "DARVOZA_SHIFT_STARTS_MINUTE"


def begin_long_shift(now: datetime) -> tuple[str, str]:
    """Return the setting by which shifts began hours before an instant, and end hours after it.

    ``now`` is in UTC; posts of tests have clocks that are five or six hours ahead.
    """
    began = now + timedelta(hours=5) - timedelta(hours=3)
    return SHIFT_STARTS, str(60 * began.hour + began.minute)
