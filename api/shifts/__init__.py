"""Shifts and rosters over HTTP and as a page.

page      The shift's report
report    What a shift found for its minutes
routes    The inspection minutes of a shift
schemas   What the shift's report answers
"""
