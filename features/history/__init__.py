"""The loaded past as validated tables, and labels."""
