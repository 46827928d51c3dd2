"""What exists: databases, tables, columns and their options."""
