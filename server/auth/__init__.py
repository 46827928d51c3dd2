"""Who may log in, and how they prove it."""
