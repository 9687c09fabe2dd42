"""Movements over links: what leaves for the other side, what it told, and what became of it.

context     Features and network of a home
departures  Manifests of vehicles that left for the other side, from the journal's tail
manifests   Manifests that arrive, as records of the other side's posts
"""
