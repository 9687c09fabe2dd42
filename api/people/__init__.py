"""People and keys, kept by administrators over HTTP and on pages."""
