"""The domain and the core: records, journal, selection, decisions.

audit          Verification of the journal and replay of decisions
cases          Cases: what follows a find, from its opening to its end
core_area      The area of the core: records and tables that every installation has
criteria       Selection criteria set before an arrival: profiles, watch list, indicator rules
decision       A decision as data: how it is made, stored and shown
declarations   Declarations ahead of their vehicles: lodged, amended, matched
domain         Reported records, identifiers, the network, and their validation
errors         Errors that this project raises on purpose
events         Events that go out to other systems, and the outbox from which they are sent
exercises      Area of exercises: shifts with known truth, in the journal of a training home
explanation    Facts and reasons as officers read them
journal        The append-only, hash-chained journal, its receipts and its writers
links          Links between installations: signed, numbered envelopes under an agreement
ports          Protocols that the layers above the engine implement
queue          The queue of waiting vehicles and what changes it
search_orders  Search orders: the places of a vehicle to search first
selection      From a score and committed random numbers to a channel and its propensity
shifts         A shift: its seed, its minutes, its load
storage        Files and databases of one home
targeting      The path of a declaration, and of what is reported
"""
