"""Envoy's own words, as `config_dump` and `clusters?format=json` print them, read into rows of `tables.envoy`.

What a dump says of workloads and of the objects behind routes are names of another world (an IP, a config path); they
stay as they are here and are tied to the manifests by the control plane.
"""
