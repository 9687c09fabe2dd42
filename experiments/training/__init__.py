"""Training of officers on shifts whose truth is known.

comparison         A trainee next to the engine, chance and the best possible, with intervals
composition        Exercises composed from a synthetic network whose truth is known
exercises          Exercises, picks and solutions, as JSON
"""
