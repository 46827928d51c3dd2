"""The loops of PromQL over samples and matrices, compiled; called by the modules around them."""
