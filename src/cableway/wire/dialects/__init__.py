"""What the mappings of a protocol mean: one module a subprotocol."""
