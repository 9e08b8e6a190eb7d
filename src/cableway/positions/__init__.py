"""Where subscriptions left off, kept for a restart."""
