"""Values of record fields that old or unread records lack."""

UNREAD = {"plate": None, "plate_country": None}
"""What a crossing may lack and every page asks for."""
