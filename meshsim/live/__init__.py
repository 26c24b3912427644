"""Real proxies beside the model: a lab of Envoy processes that runs a scenario's own tables, and what it found."""
