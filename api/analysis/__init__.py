"""Queries, jobs and loads of analysts who have no shell on the machine."""
