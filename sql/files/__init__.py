"""Files that COPY reads and writes: where they are, what is in them, how it becomes rows."""
