"""Finds spread along links, in the store of online counters.

snapshots  Snapshots made from the store at each cut
tables     Tables of what snapshots are made of
"""
