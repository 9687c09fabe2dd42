"""Common watch-list entries of two administrations, found without showing the lists."""
