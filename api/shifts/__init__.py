"""Shifts and rosters over HTTP and as a page.

handover_page   The page on which two supervisors sign a handover
handover_views  Handovers as a caller sees them
handovers       Handovers of shifts, signed for one caller
page            The page of the shift report
reads           The shift report, and the minutes of the running shift
roster_page     The page on which a supervisor puts the roster
routes          Rosters and the shift report over HTTP
schemas         Answers about shifts
steps           Rosters, as people and machines put them
"""
