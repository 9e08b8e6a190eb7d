"""What the host does to a line: it sleeps, and its network changes."""
