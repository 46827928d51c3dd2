"""The log: every write is here, durable, before it is acknowledged."""
