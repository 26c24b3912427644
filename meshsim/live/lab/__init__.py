"""Tables compiled to Envoy configurations, the processes that run them, the load that drives them, and their word for it."""
