"""The loaded past as validated tables, and labels.

journal_history  One event log
labels           What inspection acts and finds say about a crossing, and when it became known
linking          When each row became known, and which crossing a seizure belongs to
tables           The past as this home has been told of it, in validated columns
"""
