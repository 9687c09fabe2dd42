"""Finds reported on a vehicle of another post, until a second person confirms them.

page     The page of the finds that wait for a confirmation
reads    Finds that wait, read and confirmed for one caller
routes   Finds that wait, over HTTP
schemas  Answers about finds that wait
"""
