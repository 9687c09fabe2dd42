"""Declarations ahead of their vehicles: lodged, amended, cancelled, matched when the vehicle comes.

lodgings    Declarations ahead in the store: versions, keys and uses, and how they are lodged
matcher     The declaration ahead of a vehicle that comes, and its differences from it
projection  Tables of declarations ahead, and alerts of those that come late, from the records
"""
