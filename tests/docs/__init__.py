"""Tests of the documents: what they tell people to type works, and what they refer to exists."""
