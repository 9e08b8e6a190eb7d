"""What a sharded cable is made of."""
