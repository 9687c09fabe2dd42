"""Risk profiles and known lawful trade over HTTP and as pages."""
