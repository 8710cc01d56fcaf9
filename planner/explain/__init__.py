"""Why the answer is what it is: assumptions, bottleneck, provenance."""
