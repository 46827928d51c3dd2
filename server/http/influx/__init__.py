"""InfluxDB over HTTP: line protocol in, by the endpoints that its agents and clients know."""
