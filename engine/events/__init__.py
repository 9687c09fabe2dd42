"""Events that go out to other systems by webhooks.

area      The area of webhooks: signed events that go out to other systems
webhooks  Webhooks: endpoints, the outbox of events, and the deliveries to each endpoint
"""
