"""The durable list of what a region consists of."""
