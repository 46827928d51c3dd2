"""One module per statement family: run(tree, session) -> Result."""
