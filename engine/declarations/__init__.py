"""Declarations ahead of their vehicles: lodged, amended, cancelled, matched."""
