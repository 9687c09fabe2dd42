"""Fault runs against a running service, each with a negative control."""
