"""Quality of ranking against peers."""
