"""Recording and alerting rules, as Prometheus evaluates them."""
