"""Selection criteria set before an arrival: profiles, watch list, indicator rules."""
