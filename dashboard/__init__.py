"""What a browser shows: the question as forms, the answer as sentence, figures, charts and tables. Computes nothing."""
