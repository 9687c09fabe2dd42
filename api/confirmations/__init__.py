"""Finds reported on another post's vehicle, until a second person confirms them.

page      The finds that wait for a confirmation, for people
reads     Finds that wait for a confirmation, read and confirmed for one caller
routes    Finds that a checkpoint reported by plate on another post's vehicle
schemas   Answers about finds that wait for a confirmation
"""
