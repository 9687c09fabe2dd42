"""Everything that needs two people: one resource, one writer, one list.

desk     Steps of one caller about proposals, each recorded once
matters  Matters that two people decide: who may take which step, and what follows from it
routes   Proposals over HTTP and as a page
"""
