"""Series stores: many metrics in two regions, each metric a table; see docs/metrics-store.md."""
