"""Programs that show what Gnomon is for."""
