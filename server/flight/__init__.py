"""Arrow Flight SQL: results and rows as Arrow record batches, without any conversion."""
