"""How fast, how near to what the hardware allows, and how the cost grows: each module a command that measures."""
