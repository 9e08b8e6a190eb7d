"""What the user wants to hear, and what was heard: subscriptions as wishes, mailboxes, routing. No I/O."""
