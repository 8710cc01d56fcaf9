"""From the question to candidates: their spaces as columns, the bounds that spare most of them, the search itself."""
