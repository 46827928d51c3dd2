"""Functions that do something between sessions: locks, notifications, ending others, waiting."""
