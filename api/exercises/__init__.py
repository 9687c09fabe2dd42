"""Exercises of officers: a home of its own, picks, debriefings, certificates."""
