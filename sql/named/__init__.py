"""Texts of types with a name of their own: input as PostgreSQL reads it, in the form it prints."""
