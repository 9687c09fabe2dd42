"""Decisions over HTTP and as a page."""
