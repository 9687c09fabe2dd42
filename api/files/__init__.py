"""Files that people send and read, for every subject that has files."""
