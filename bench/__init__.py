"""Measurements against PostgreSQL and MariaDB on the same machine in the same run."""
