"""Functions over Arrow columns, for what SQL cannot say; imported when first called.

Each takes arrays of equal length (the types are in the registry, NULLs included) and gives one.
"""
