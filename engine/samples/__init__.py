"""Samples as NumPy arrays: of regions whose only tag is a number that stands for a series."""
