"""Pods: one process answers for all of them, a listener an address; and what takes a pod's connections in for it."""

from typing import Final

from meshsim.live.lab.plan import AppPort, Inbound, MutualTls, Plan
from meshsim.live.lab.resources import (
    POD,
    Config,
    address,
    connect_route,
    connection_manager,
    listener,
    static,
    tcp_proxy,
    virtual_host,
)

PODS: Final = "pods"
FAILURE: Final = "meshsim.fail"
"""The runtime key, followed by a pod's name, whose percentage of its answers is a 503."""


def application(plan: Plan, demand: AppPort) -> None:
    """A pod's application: it answers with its own path, in a header too, as Envoy leaves gRPC answers no body."""
    uid, row = plan.pod(demand.uid)
    path = row.path if row is not None else uid
    ip = plan.ip(uid, "app")
    name = "x".join(["pod", *ip.split(".")[2:], str(demand.port)])
    plan.pods[name] = path
    sick: Config = {"default_value": {"numerator": 0}, "runtime_key": f"{FAILURE}.{name}"}
    routes: list[Config] = [
        {"match": {"prefix": "/", "runtime_fraction": sick}, "direct_response": {"status": 503}},
        {
            "match": {"prefix": "/"},
            "direct_response": {"status": 200, "body": {"inline_string": path}},
            "response_headers_to_add": [{"header": {"key": POD, "value": path}}],
        },
    ]
    hosts = {"name": name, "virtual_hosts": [virtual_host("*", routes)]}
    where = address(ip, plan.addresses.port(demand.port))
    plan.process(PODS).listeners[name] = listener(name, where, [connection_manager(name, [], hosts)])


def inbound(plan: Plan, demand: Inbound) -> None:
    """A destination's ztunnel: it takes the tunnel in and hands it to the pod, whatever waypoint there is
    (ztunnel src/proxy/inbound.rs:386). It translates a service's name to the pod's port."""
    uid, _ = plan.pod(demand.uid)
    process = f"ztunnel:{plan.home(uid).name}"
    cluster = _to_application(plan, process, uid, demand.port)
    plan.terminate(process, plan.ip(uid), plan.pod_identity(uid), demand.authority, [connect_route(cluster)])


def mutual_tls(plan: Plan, demand: MutualTls) -> None:
    """A pod's own sidecar, which takes mTLS in and hands the bytes to the application."""
    uid, _ = plan.pod(demand.uid)
    process = f"sidecars:{plan.home(uid).name}"
    cluster = _to_application(plan, process, uid, demand.port)
    where = address(plan.ip(uid, "sidecar"), plan.addresses.port(demand.port))
    proxy = tcp_proxy(cluster, {cluster: 1}, plan.logs(process, "mtls"))
    name = f"mtls|{uid}|{demand.port}"
    plan.process(process).listeners[name] = listener(name, where, [proxy], plan.pod_identity(uid))


def _to_application(plan: Plan, process: str, uid: str, port: int) -> str:
    plan.ask(AppPort(uid, port))
    name = f"pod|{uid}|{port}"
    plan.process(process).clusters[name] = static(name, address(plan.ip(uid, "app"), plan.addresses.port(port)))
    return name
