"""Text indexes: which rows of a file can hold a word or a value."""
