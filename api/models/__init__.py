"""Models over HTTP and as a page."""
