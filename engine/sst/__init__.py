"""Sorted files of a region: Parquet with a deletion vector beside it."""
