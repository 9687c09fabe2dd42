"""Reported records, identifiers, the network, and their validation.

advance_declarations  Declarations lodged ahead of their vehicles, and how one was matched
identifiers           Plates, containers and VINs
network               Border posts, their opposite posts, time zones, and weights of finds
precursors            Precursors of drugs under international control, by HS code
records               Definitions of all reported records, and texts that stand for a missing value
rights                Roles of callers, the matters of their work, and their rights in each
time_units            Instants as UTC microseconds
validation            Validation errors as field, rule and message; refusal of implausible arrivals
"""
