"""Training: models on platforms, the search for runs, and what is recommended of them."""
