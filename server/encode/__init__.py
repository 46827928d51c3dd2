"""From Arrow columns to the bytes of result rows, for every row-oriented wire."""
