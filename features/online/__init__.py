"""The online feature store: counters, ties and look-ups."""
