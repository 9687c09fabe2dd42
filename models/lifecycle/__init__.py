"""States of models and the transitions between them."""
