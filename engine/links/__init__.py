"""Links between installations: signed, numbered envelopes under an agreement."""
