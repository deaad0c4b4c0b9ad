"""AI tools as identities: the register of tools, tasks and what they may reach, token claims, workloads. Pure."""
