"""Features as of an arrival: declared once, computed offline and online alike."""
