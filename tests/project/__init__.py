"""Tests of the project itself: its import rules, its purity, its skips, its documents."""
