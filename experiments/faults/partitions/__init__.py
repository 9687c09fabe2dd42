"""Fault run of links: nodes and a centre whose lines, processes, clocks and disks fail.

installations  Installations of a trial: stores, clocks, disks, and the messages that they record
judgement      Judgement of a trial: what was acknowledged, what the other side holds
kills          Processes that are killed -9 at a random moment
line           A line that loses, doubles and reorders parcels, with its time
trial          One trial: faults drawn from a seed, then everything is mended
"""
