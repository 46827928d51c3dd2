"""Calls that become other expressions when a statement is planned, a module for each category.

Each function takes a call's arguments (parsed, in DuckDB's terms below it) and gives what DuckDB
shall evaluate. They keep no state and read no data.
"""
