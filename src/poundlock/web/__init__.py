"""Listeners: routes of the data plane and of the control plane."""
