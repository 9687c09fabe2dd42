"""Criteria set before an arrival, over HTTP and as pages; profiles are in :mod:`api.profiles`."""
