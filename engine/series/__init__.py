"""Series of metrics by number: labels in memory, dense ids, look-ups without an object a series."""
