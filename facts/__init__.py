"""What the rooms of facts share: bounded YAML reading, a parsed-form cache, faults as data. Knows nobody."""
