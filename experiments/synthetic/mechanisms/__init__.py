"""Small networks of other mechanisms than the main generator's: nothing in them is real."""
