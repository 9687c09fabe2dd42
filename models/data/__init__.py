"""Data sets: rows, labels, selection, and temporal splits."""
