"""Events that go out to other systems, and the outbox from which they are sent.

area        The area of webhooks: signed events that go out to other systems
deliveries  Deliveries to each endpoint: leased, retried, set aside
endpoints   Endpoints of webhooks, replayed from the journal
outbox      Tables of the outbox, and the projection that fills it
"""
