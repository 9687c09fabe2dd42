"""Queries and jobs of analysts: their records, and what jobs these state."""
