"""The tables that meshsim compiles for an Envoy, written as that Envoy's `config_dump?include_eds` would have them.

Shapes are those of Envoy's admin API (envoy api/envoy/admin/v3) with the names that istiod gives things: a waypoint's
chains and inline routes, a sidecar's and a gateway's listeners and RDS, hosts behind `connect_originate` and
`inner_connect_originate` (istio pilot/pkg/networking/core/listener_waypoint.go, pilot/pkg/xds/endpoints).
"""

from collections.abc import Iterable
from typing import Any

from meshsim.analysis.holdings import envoys
from meshsim.analysis.situation import Situation
from meshsim.controlplane.ingress_class import Ingress, ingress
from meshsim.model.facts import Facts
from meshsim.model.names import ObjectKey
from meshsim.tables.envoy import Chain, Cluster, Endpoint, MatchType, Proxy, Route, RouteMatch, StringMatch, Via
from meshsim.tables.workload import Locality

Json = dict[str, Any]
ADMIN = "type.googleapis.com/envoy.admin.v3."
TYPES = "type.googleapis.com/envoy."
MANAGER = f"{TYPES}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
PROXY = f"{TYPES}extensions.filters.network.tcp_proxy.v3.TcpProxy"
ROUTER = {
    "name": "envoy.filters.http.router",
    "typed_config": {"@type": f"{TYPES}extensions.filters.http.router.v3.Router"},
}


def dumps(situation: Situation, cluster: str, called: Iterable[tuple[str, str]] = ()) -> dict[str, Json]:
    """Every Envoy of a cluster → its dump, by the name that a scenario's `dumps` has it under. `called` are further
    (Envoy, `host:port`) pairs that somebody asks for."""
    here = situation.mesh.clusters[cluster]
    found = {}
    for ident, addresses in envoys(situation, cluster).items():
        kind, _, rest = ident.partition(":")
        _, namespace, name = rest.split("/")
        bare = name.rpartition("~")[2]
        gateway = here.get("Gateway", namespace, bare)
        if kind == "gateway" and gateway is not None and ingress(here, gateway, Facts()) is not Ingress.ISTIO:
            continue  # istiod does not configure it
        locality = _locality(situation, cluster, namespace, bare) or Locality(here.region, here.zone)
        proxy = situation.plane.proxy(ident, locality)
        assert proxy is not None
        wanted = [*addresses, *(address for caller, address in called if caller == ident)]
        found[f"{kind}:{namespace}/{bare}"] = Writer(situation, proxy).dump(list(dict.fromkeys(wanted)))
    return found


def _locality(situation: Situation, cluster: str, namespace: str, name: str) -> Locality | None:
    workloads = situation.plane.registry.workloads(cluster)
    pods = workloads.get((namespace, name)) or ()
    return Locality(pods[0].region, pods[0].zone) if pods else None


class Writer:
    def __init__(self, situation: Situation, proxy: Proxy) -> None:
        self.situation, self.proxy = situation, proxy
        self.kind = proxy.id.partition(":")[0]

    def dump(self, addresses: list[str]) -> Json:
        chains = {address: chain for address in addresses if (chain := self.proxy.chains.get(address)) is not None}
        listeners, routes = self.listeners(chains)
        clusters = [self.proxy.clusters[name] for name in self.proxy.clusters]
        return {
            "configs": [
                {"@type": f"{ADMIN}BootstrapConfigDump", "bootstrap": {"node": self.node()}},
                {
                    "@type": f"{ADMIN}ClustersConfigDump",
                    "dynamic_active_clusters": [{"cluster": self.cluster(c)} for c in clusters],
                },
                {
                    "@type": f"{ADMIN}EndpointsConfigDump",
                    "dynamic_endpoint_configs": [{"endpoint_config": self.assignment(c)} for c in clusters],
                },
                {
                    "@type": f"{ADMIN}ListenersConfigDump",
                    "dynamic_listeners": [{"name": x["name"], "active_state": {"listener": x}} for x in listeners],
                },
                {
                    "@type": f"{ADMIN}RoutesConfigDump",
                    "dynamic_route_configs": [{"route_config": x} for x in routes],
                },
            ]
        }

    def node(self) -> Json:
        _, namespace, name = self.proxy.id.partition(":")[2].split("/")
        return {
            "id": f"{self.kind}~10.0.0.1~{name}.{namespace}~{namespace}.svc.cluster.local",
            "metadata": {"CLUSTER_ID": self.proxy.cluster, "NAMESPACE": namespace},
        }

    def listeners(self, chains: dict[str, Chain]) -> tuple[list[Json], list[Json]]:
        if self.kind == "waypoint":
            inside = {"name": "main_internal", "internal_listener": {}, "filter_chains": []}
            for chain in chains.values():
                kind = "http" if chain.http else "tcp"
                name = f"inbound-vip|{chain.port}|{kind}|{chain.host}"
                inside["filter_chains"].append({"name": name, "filters": [self.inbound(chain, name)]})
            return [inside], []
        listeners: dict[str, Json] = {}
        hosts: dict[int, list[Json]] = {}
        for chain in chains.values():
            if chain.http:
                hosts.setdefault(chain.port, []).append(self.virtual_host(chain))
                name = f"0.0.0.0_{chain.port}"
                rds = f"http.{chain.port}" if self.kind == "gateway" else str(chain.port)
                listeners[name] = self.bound(
                    name, "0.0.0.0", chain.port, self.manager({"rds": {"route_config_name": rds}})
                )
            else:
                for vip in self.vips(chain.host):
                    name = f"{vip}_{chain.port}"
                    listeners[name] = self.bound(name, vip, chain.port, self.tcp(chain))
        routes = [
            {"name": f"http.{port}" if self.kind == "gateway" else str(port), "virtual_hosts": found}
            for port, found in hosts.items()
        ]
        return list(listeners.values()), routes

    def bound(self, name: str, ip: str, port: int, last: Json) -> Json:
        address = {"socket_address": {"address": ip, "port_value": port}}
        return {"name": name, "address": address, "filter_chains": [{"filters": [last]}]}

    def vips(self, host: str) -> list[str]:
        view = self.situation.plane.cluster(self.proxy.cluster)
        return list(view.names[host].ips)

    def inbound(self, chain: Chain, name: str) -> Json:
        if not chain.http:
            return self.tcp(chain)
        return self.manager({"route_config": {"name": name, "virtual_hosts": [self.virtual_host(chain, "*")]}})

    def manager(self, routes: Json) -> Json:
        return {
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {"@type": MANAGER, "stat_prefix": "x", **routes, "http_filters": [ROUTER]},
        }

    def tcp(self, chain: Chain) -> Json:
        return {
            "name": "envoy.filters.network.tcp_proxy",
            "typed_config": {"@type": PROXY, "stat_prefix": "x", **self.weighted(chain.routes[0])},
        }

    def virtual_host(self, chain: Chain, domain: str = "") -> Json:
        domains = [domain] if domain else [chain.host, f"{chain.host}:{chain.port}"]
        routes = [self.route(route, chain.host) for route in chain.routes]
        return {"name": f"{chain.host}:{chain.port}", "domains": domains, "routes": routes}

    def route(self, route: Route, host: str) -> Json:
        made: Json = {"match": match(route.match), **self.named(route, host)}
        if route.direct_response is not None:
            return made | {"direct_response": {"status": route.direct_response}}
        if any("redirect" in said.lower() for said in route.unmodelled):
            return made | {"redirect": {"path_redirect": "/elsewhere"}}
        action = self.weighted(route)
        statuses = {self.proxy.missing_cluster_status.get(w.cluster) for w in route.clusters}
        if 500 in statuses:
            action["cluster_not_found_response_code"] = "INTERNAL_SERVER_ERROR"
        return made | {"route": {**action, "timeout": "0s"}}

    def weighted(self, route: Route) -> Json:
        if len(route.clusters) == 1:
            return {"cluster": route.clusters[0].cluster}
        return {"weighted_clusters": {"clusters": [{"name": w.cluster, "weight": w.weight} for w in route.clusters]}}

    def named(self, route: Route, host: str) -> Json:
        """What istiod writes of a route's origin: a VirtualService under its own name, an HTTPRoute under its
        namespace and host."""
        if route.object is None:
            return {"name": "default"}
        cluster, kind, namespace, name = route.object.split("/", 3)
        manifest = self.situation.mesh.clusters[cluster].objects[ObjectKey(kind, namespace, name)]
        if kind == "VirtualService":
            config, called = name, "" if route.rule.isdecimal() else route.rule
        else:
            rules = manifest.get("spec", "rules", default=[{}])
            index = next(i for i, rule in enumerate(rules) if str(rule.get("name") or i) == route.rule)
            config, called = f"{namespace}~{host}", rules[index].get("name") or f"{namespace}.{name}.{index}"
        path = f"/apis/networking.istio.io/v1/namespaces/{namespace}/virtual-service/{config}"
        metadata = {"filter_metadata": {"istio": {"config": path}}}
        return {"metadata": metadata} | ({"name": called} if called else {})

    def cluster(self, cluster: Cluster) -> Json:
        common: Json = {"healthy_panic_threshold": {"value": cluster.panic} if cluster.panic else {}}
        if cluster.locality_weights is not None:
            common["locality_weighted_lb_config"] = {}
        hashed = any("consistentHash" in said for said in cluster.unmodelled)
        return {
            "@type": f"{TYPES}config.cluster.v3.Cluster",
            "name": cluster.name,
            "type": "EDS",
            "lb_policy": "RING_HASH" if hashed else cluster.lb,
            "common_lb_config": common,
        }

    def assignment(self, cluster: Cluster) -> Json:
        groups: dict[tuple[int, Locality], list[Json]] = {}
        for endpoint in cluster.endpoints:
            groups.setdefault((endpoint.priority, endpoint.locality), []).append(self.host(endpoint, cluster))
        weights = cluster.locality_weights
        return {
            "cluster_name": cluster.name,
            "endpoints": [
                {
                    "locality": {"region": at.region, "zone": at.zone, "sub_zone": at.subzone},
                    "lb_endpoints": hosts,
                    "load_balancing_weight": sum(h["load_balancing_weight"] for h in hosts)
                    if weights is None
                    else weights.get(at, 0),
                    "priority": priority,
                }
                for (priority, at), hosts in groups.items()
            ],
            "policy": {"overprovisioning_factor": 140},
        }

    def host(self, endpoint: Endpoint, cluster: Cluster) -> Json:
        metadata: Json = {}
        if endpoint.via is Via.GATEWAY:
            names = sorted(self.situation.mesh.clusters)
            gateway = f"100.111.0.{names.index(endpoint.cluster)}:15008"
            address = internal("inner_connect_originate", gateway)
            metadata["istio"] = {
                "workload": f";;;;{endpoint.cluster}",
                "double_hbone": {"hbone_target_address": endpoint.authority},
            }
            metadata["envoy.filters.listener.original_dst"] = {"local": gateway}
        elif endpoint.via is Via.WAYPOINT:
            pod = self.situation.plane.registry.pod_by_uid.get(endpoint.workload)
            place = f"{pod.ip}:15008" if pod is not None else "10.9.9.9:15008"
            vip = next(iter(self.vips(cluster.host)), "240.240.0.1")
            address = internal("connect_originate", place)
            metadata["envoy.filters.listener.original_dst"] = {"local": f"{vip}:{cluster.port}", "waypoint": place}
        else:
            pod = self.situation.plane.registry.pod_by_uid[endpoint.workload]
            metadata["istio"] = {"workload": f"{pod.workload};{pod.namespace};{pod.workload};v1;{pod.cluster}"}
            if endpoint.via is Via.HBONE:
                address = internal("connect_originate", endpoint.address)
                metadata["envoy.filters.listener.original_dst"] = {"local": endpoint.address}
            else:
                ip, _, port = endpoint.address.rpartition(":")
                address = {"socket_address": {"address": ip, "port_value": int(port)}}
                if endpoint.via is Via.MTLS:
                    metadata["envoy.transport_socket_match"] = {"tlsMode": "istio"}
        return {
            "endpoint": {"address": address, "health_check_config": {}},
            "health_status": "HEALTHY" if endpoint.healthy else "UNHEALTHY",
            "metadata": {"filter_metadata": metadata},
            "load_balancing_weight": endpoint.weight,
        }


def internal(listener: str, ident: str) -> Json:
    return {"envoy_internal_address": {"server_listener_name": listener, "endpoint_id": ident}}


def match(wanted: RouteMatch) -> Json:
    pseudo = [(":method", wanted.method), (":authority", wanted.authority)]
    headers = [header(name, said) for name, said in pseudo if said is not None]
    headers += [header(name, said) for name, said in wanted.headers]
    headers += [
        header(name, said) | {"invert_match": True, "treat_missing_header_as_empty": True}
        for name, said in wanted.without_headers
    ]
    parameters = [
        {"name": name, "present_match": True} if said.type is MatchType.PRESENT else {"name": name, **string(said)}
        for name, said in wanted.query
    ]
    return {
        **path(wanted.path),
        **({"headers": headers} if headers else {}),
        **({"query_parameters": parameters} if parameters else {}),
    }


def path(wanted: StringMatch | None) -> Json:
    if wanted is None:
        return {"prefix": "/"}
    keys = {MatchType.EXACT: "path", MatchType.PREFIX: "prefix", MatchType.PATH_PREFIX: "path_separated_prefix"}
    said: Json = {"safe_regex": {"regex": wanted.value}}
    if wanted.type in keys:
        said = {keys[wanted.type]: wanted.value}
    return said | ({"case_sensitive": False} if wanted.ignore_case else {"case_sensitive": True})


def header(name: str, wanted: StringMatch) -> Json:
    return {"name": name, **({"present_match": True} if wanted.type is MatchType.PRESENT else string(wanted))}


def string(wanted: StringMatch) -> Json:
    if wanted.type is MatchType.REGEX:
        return {"string_match": {"safe_regex": {"regex": wanted.value}}}
    key = "exact" if wanted.type is MatchType.EXACT else "prefix"
    return {"string_match": {key: wanted.value}}
