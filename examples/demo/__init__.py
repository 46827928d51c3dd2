"""The guided tour: live metrics, public data, relational tables, restart and crash."""
