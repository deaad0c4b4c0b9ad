"""The evaluation of detection: a seeded set of documents and a scorer, written apart from the rules."""
