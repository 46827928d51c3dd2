"""How clients speak: PostgreSQL, MySQL and HTTP."""
