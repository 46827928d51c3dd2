"""How each wire spells SQL: sqlglot dialects and our own AST nodes."""
