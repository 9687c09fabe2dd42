"""Acts at a post: reported, corrected, confirmed and audited, over HTTP and as pages."""
