"""The domain and the core: records, journal, selection, decisions.

audit          Verification of the journal and replay of decisions
criteria       What people wrote down before an arrival: profiles, watch list, indicator rules
decision       A decision as data: how it is made, stored and shown
domain         What the world reports: records, identifiers, the network, and their validation
explanation    Facts and reasons as officers read them
journal        The append-only, hash-chained journal, its receipts and its writers
queue          The queue of waiting vehicles and what changes it
search_orders  Where to look first in a vehicle that is inspected
selection      From probabilities and committed random numbers to a channel and its propensity
shifts         A shift: its seed, its minutes, its load
storage        Files and databases of one home
targeting      The path of a declaration, and of what is reported
errors         Everything that can go wrong on purpose, as facts a caller can act on
ports          What the engine asks of the layers above it
"""
