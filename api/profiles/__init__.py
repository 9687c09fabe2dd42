"""Risk profiles over HTTP and as pages."""
