"""What proxies know, in their own words: ztunnel's services and workloads, Envoy's routes, clusters and endpoints.

A row of these tables is all that a proxy may look at. They are plain data: a control plane compiles them,
a live dump loads into them, `meshsim tables` prints them.
"""
