"""Shifts and rosters over HTTP and as a page.

answers  Rosters, handovers, and the shift report, as answers
page     Pages of a shift: its report, its handover and its roster
routes   Rosters and the shift report over HTTP
steps    Rosters and handovers of one caller, each recorded once
"""
