"""Figures of any period: what was decided, searched, found and released, and what is new."""
