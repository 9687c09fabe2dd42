"""Verification of the journal and of its store, and replay of decisions."""
