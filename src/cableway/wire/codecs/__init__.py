"""How mappings become bytes and back: one module an encoding."""
