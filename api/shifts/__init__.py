"""Shifts and rosters over HTTP and as a page."""
