"""Declarations ahead of their vehicles: lodged, amended, cancelled, matched when the vehicle comes.

alerts       Declarations that became known, or were changed, after their vehicle was decided on
differences  Differences of a vehicle, or of its papers, from the declaration ahead
drafts       Records by which a sender lodges, amends and withdraws a declaration ahead
keys         Digests by which declarations and vehicles are found
lodgings     Declarations ahead as the store has them: versions, and who used which
matcher      The declaration ahead of a vehicle that comes
projection   Tables of declarations ahead, from the journal's records
"""
