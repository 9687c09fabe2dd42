"""Movements over links: what leaves for the other side, what it reported, and what became of it.

announcements  Messages that this side's records make due, from the journal's tail
context        Features and network of a home
departures     Manifests of vehicles that left for the other side
loaded_exits   Manifests of exits that came as files, for commands
manifests      Manifests that arrive, as records of the other side's posts
missing        Vehicles that the other side announced and that never arrived
outcomes       Outcomes of movements that the other side told of, and of own ones
"""
