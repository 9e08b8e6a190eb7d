"""Who may do what: secrets, and the signatures made with them."""
