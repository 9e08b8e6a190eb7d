"""Nothing missed, nothing twice: where each subscription is in its streams, and how it is brought up to date."""
