"""Policies simulated over a year."""
