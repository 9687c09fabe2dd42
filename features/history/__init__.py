"""The loaded past as validated tables, and labels.

journal_history  Loaded history and journal as one event log
labels           Labels of crossings from inspection acts and finds, and when they became known
linking          Known times of rows, and the crossing that a seizure belongs to
tables           The loaded history of a home, in validated columns
"""
