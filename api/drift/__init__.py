"""Drift over HTTP and as a page.

page     The page of the last drift measurement
reads    The last measurement, and a new one in a process of its own
routes   Drift over HTTP
schemas  Answers about drift
"""
