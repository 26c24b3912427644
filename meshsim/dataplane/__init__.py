"""ztunnel, waypoint, east-west gateway, ingress and sidecar: pure functions from tables and a request to next hops.

Marks that a `Step` carries in `tags`, for whoever judges a trace:

`unmeshed` no mesh proxy at the client · `workload-addressed` a pod's address was called ·
`not-http` bytes, not requests · `no-vip` no service has the address on the client's network ·
`handover` a sidecar or gateway hands over to a waypoint ·
`skipped-waypoint` an east-west gateway passed a waypoint by ·
`passed-over:CLUSTER` preferred endpoints kept traffic from that cluster ·
`subset-lost` a subset's labels match no host ·
`waypoint-missing:CODE` a waypoint reference leads nowhere · `failed:CODE` the reason code of a failure ·
`assumed:KEY=CHOICE` a contested default decided.
"""
