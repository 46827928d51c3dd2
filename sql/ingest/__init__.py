"""Rows of agents into tables that are made and widened as they need: the one path of ingestion."""
