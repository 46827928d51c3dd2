"""Foreign keys: what they are, how they are kept to, how transactions stay apart."""
