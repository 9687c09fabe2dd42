"""Events that go out to other systems, and the outbox from which they are sent.

deliveries   Deliveries to each endpoint: leased, retried, set aside
endpoints    Endpoints of webhooks, replayed from the journal
event_types  Events that a record of the journal stands for
outbox       Tables of the outbox, and the projection that fills it
"""
