"""Tables compiled to Envoy configurations, the processes that run them, and the load that drives them."""
