"""Cases of SQL and their answers as reviewed text, run over every wire (see runner.py)."""
