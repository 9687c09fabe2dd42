"""Records that two administrations share through the messages of their link."""
