"""Reported records, identifiers, the network, and their validation.

advance_declarations  Declarations lodged ahead of their vehicles, and how one was matched
gravity               Gravity of finds, by the weights of the network file
identifiers           Plates, containers and VINs
network               Border posts, and the opposite post of each
placeholders          Texts that stand where a value is missing
plausibility          Refusal of arrivals that contradict themselves or lie in the future
precursors            Precursors of drugs under international control, by HS code
records               Definitions of all reported records
rights                Roles of callers, the matters of their work, and their rights in each
time_units            Instants as UTC microseconds
time_zones            Time zones of border posts, from the tz database
validation            Validation errors as field, rule and message
"""
