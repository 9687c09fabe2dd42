"""Everything that needs two people: one resource, one writer, one list."""
