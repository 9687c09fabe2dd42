"""Reported records, identifiers, the network, and their validation."""
