"""The commands, one module for each kind of work; heavy libraries are imported when one runs."""
