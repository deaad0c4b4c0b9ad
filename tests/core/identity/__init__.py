"""Tests of identities: the register, tasks, claims, workloads, surroundings."""
