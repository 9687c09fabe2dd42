"""Facts and reasons as officers read them."""
