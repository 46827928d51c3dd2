"""Prometheus over HTTP: remote write, and the query API that Grafana reads from."""
