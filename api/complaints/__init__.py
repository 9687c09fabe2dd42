"""Complaints of traders about decisions: filed by one person, answered by another, counted."""
