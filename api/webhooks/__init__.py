"""Events to other systems, over HTTP and as a page."""
