"""What happens when a whole crowd of clients comes back at once: simulated, and for real on this machine."""
