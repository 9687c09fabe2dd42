"""The domain and the core: records, journal, selection, decisions."""
