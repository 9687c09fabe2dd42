"""Circulars over HTTP and as pages: written, shown at their posts, read."""
