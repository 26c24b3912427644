"""What istiod and the peering controller tell each cluster's proxies: a Mesh compiled into tables."""
