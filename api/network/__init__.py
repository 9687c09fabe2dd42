"""Overview of all posts for headquarters, over HTTP and as a page."""
