"""Events that go out to other systems by webhooks."""
