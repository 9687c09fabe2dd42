"""The queue of waiting vehicles and what changes it."""
