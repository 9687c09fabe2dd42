"""A decision as data: how it is made, stored and shown."""
