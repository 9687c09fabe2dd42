"""From a home to a registered candidate."""
