"""What a statement means: dialects, planning, execution."""
