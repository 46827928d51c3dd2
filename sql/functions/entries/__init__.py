"""The entries of the registry, a module for each category."""
