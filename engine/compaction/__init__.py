"""Compaction: few large files out of many small ones, and rows that outlived their time go."""
