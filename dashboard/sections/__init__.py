"""The parts of an answer, in the order in which they stand on the page."""
