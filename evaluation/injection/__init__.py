"""The evaluation of text that gives orders: a seeded set, frozen before the detector was worked on, and its scorer."""
