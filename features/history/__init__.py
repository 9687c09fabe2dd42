"""The loaded past as validated tables, and labels.

journal_history  Loaded history and journal as one event log
labels           Labels of crossings from inspection acts and finds, and when they became known
linking          Known times of rows, and the crossing that a seizure belongs to
record_rows      Records as rows of a history, and arrivals as they come back from such rows
tables           The loaded history of a home, in validated columns
"""
