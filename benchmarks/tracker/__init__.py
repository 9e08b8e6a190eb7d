"""A simulated tracker: its working day, its radio, its server, and the ways in which it may keep in touch."""
