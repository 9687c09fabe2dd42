"""Links between installations: over HTTP, as pages, by file, and the exchange in the background."""
