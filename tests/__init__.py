"""Tests of Poundlock; the folders mirror the source tree."""
