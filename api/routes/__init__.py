"""The routes of the service, one module a noun; a route says what it does and holds no logic.

decisions    ask for one, read it again, its features, its explanation
crossings    record one without a decision; say that a vehicle has left
acts         inspection acts and seizures
queues       what waits at a post
health       whether the service is alive, ready, and how it fares
"""
