"""How the rows of one table are spread over its regions: rules, proof, routing, pruning."""
