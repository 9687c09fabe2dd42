"""Callers: accounts, keys, sessions, permissions."""
