"""The loaded past as validated tables, and labels.

labels       Labels of crossings from inspection acts and finds, and when they became known
record_rows  Records as rows of a history, and arrivals as they come back from such rows
tables       The history of a home in validated columns, from loads and journal
"""
