"""What a tool call would do: the programs, files, hosts and flags that policy sees instead of a string."""
