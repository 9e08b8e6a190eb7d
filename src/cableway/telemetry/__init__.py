"""How the outside learns what happens inside: callbacks, event streams, log lines."""
