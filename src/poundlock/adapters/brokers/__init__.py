"""Brokers: each makes and unmakes credentials of one kind of resource. None of them decides, none writes them down."""
