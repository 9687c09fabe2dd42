"""Shifts and rosters over HTTP and as a page.

page     The page of the shift report
reads    The shift report, and the minutes of the running shift
routes   Rosters and the shift report over HTTP
schemas  Answers about shifts
"""
