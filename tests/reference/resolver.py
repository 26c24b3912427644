"""A second resolver, naive on purpose: it follows the sources sentence by sentence for one Service `web` in `shop`.

It reads the plain scenario document, shares nothing with the engine but the words for verdicts and shares, and knows
only what `strategies.meshes` draws. Sources, by the letter in brackets:

* [G] Solo docs, Argo Rollouts guide (docs.solo.io/istio/1.30.x/ambient/traffic-management/argo-rollouts)
* [M] Solo docs, multicluster multi-apps overview and failover pages
* [L15] [L16] solo-io/fe-solo-enterprise-for-istio-workshops, istio-ambient-multicluster, labs 015 and 016
* [Z] istio/ztunnel src/state.rs, src/proxy/outbound.rs
* [W] istio/istio pilot/pkg/serviceregistry/ambient/waypoints.go
* [LW] istio/istio pilot/pkg/networking/core/listener_waypoint.go
* [LB] istio/istio pilot/pkg/networking/core/loadbalancer/loadbalancer.go
* [A] argo-rollouts utils/replicaset/canary.go
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from meshsim.model.verdict import Shares, Verdict

Document = dict[str, Any]
NAMESPACE, SERVICE, PORT = "shop", "web", 8080
GLOBAL = "web.shop.mesh.internal"
LOCAL = "web.shop.svc.cluster.local"
HASH = "rollouts-pod-template-hash"


@dataclass(frozen=True)
class Pod:
    cluster: str
    labels: tuple[tuple[str, str], ...]

    @property
    def hash(self) -> str | None:
        return dict(self.labels).get(HASH)


@dataclass(frozen=True)
class Route:
    """A matched L7 rule: the object's cluster, kind and name. The managed ones are called `web`."""

    cluster: str
    kind: str
    name: str


@dataclass(frozen=True)
class Way:
    """One way: its share, the Envoys with HTTP routing on it with the rule each matched, and where it ends.

    `pod` None is an error. `serving` is where it ends, or where it fails."""

    share: Fraction
    envoys: tuple[tuple[str, Route | None], ...]
    pod: Pod | None
    serving: str


@dataclass(frozen=True)
class Result:
    """`deciders` are all that a largest way can have: more than one only where ways tie."""

    verdict: Verdict
    shares: Shares | None
    deciders: frozenset[str | None]


class Silent(Exception):
    """The sources do not say: no claim is made about this call."""


# ---------------------------------------------------------------------------------------------- what there is


class World:
    """The document, and the Rollouts held at a step."""

    def __init__(self, document: Document, step: int) -> None:
        self.clusters: dict[str, Document] = document["clusters"]
        self.peering: Any = document["peering"]
        self.step = step

    def object(self, cluster: str, kind: str, name: str) -> Document | None:
        found = [m for m in self.clusters[cluster]["manifests"] if m["kind"] == kind and m["metadata"]["name"] == name]
        return found[0] if found else None

    def label(self, cluster: str, kind: str, name: str, key: str) -> str | None:
        found = self.object(cluster, kind, name)
        return found["metadata"].get("labels", {}).get(key) if found else None

    def env(self, cluster: str, name: str) -> str | None:
        return self.clusters[cluster]["istiod"]["env"].get(name)

    def visible(self, cluster: str) -> list[str]:
        """The cluster itself, and those whose services it watches; a link is directed."""
        if self.peering == "all":
            return list(self.clusters)
        return [cluster, *(link["peer"] for link in self.peering if link["watcher"] == cluster)]

    def network(self, cluster: str) -> str:
        return self.clusters[cluster]["network"]

    def place(self, cluster: str) -> tuple[str, str]:
        return self.clusters[cluster].get("region", ""), self.clusters[cluster].get("zone", "")

    def weight(self, cluster: str) -> int:
        """The weight at which a cluster's Rollout rests: the last setWeight before the held step."""
        steps = self.object(cluster, "Rollout", SERVICE)["spec"]["strategy"]["canary"]["steps"]
        return 0 if self.step >= len(steps) else [s["setWeight"] for s in steps[: self.step] if "setWeight" in s][-1]

    def hashes(self, cluster: str) -> tuple[str, str]:
        """(stable, canary): equal templates have equal hashes in all clusters [G]. A probe's new revision has `-next`
        on the image tag; at the end it is the stable one, and nothing is canary."""
        template = self.object(cluster, "Rollout", SERVICE)["spec"]["template"]
        image = template["spec"]["containers"][0]["image"]
        if self.step >= len(self.object(cluster, "Rollout", SERVICE)["spec"]["strategy"]["canary"]["steps"]):
            return f"{image}-next", ""
        return image, f"{image}-next"

    def pods(self, cluster: str) -> list[Pod]:
        """All pods that `web` selects: n stable ones stay, ceil(n*w/100) canary ones are added [A]."""
        deployed = self.object(cluster, "Deployment", SERVICE)
        if deployed is not None:
            return [Pod(cluster, (("app", SERVICE),))] * deployed["spec"]["replicas"]
        rollout = self.object(cluster, "Rollout", SERVICE)
        if rollout is None:
            return []
        replicas = rollout["spec"]["replicas"]
        stable, canary = self.hashes(cluster)
        canaries = -(-replicas * self.weight(cluster) // 100)
        return [Pod(cluster, (("app", SERVICE), (HASH, stable)))] * replicas + [
            Pod(cluster, (("app", SERVICE), (HASH, canary)))
        ] * canaries

    def scope(self, cluster: str) -> str | None:
        return self.label(cluster, "Service", SERVICE, "solo.io/service-scope")

    def shares(self, cluster: str) -> bool:
        """A cluster contributes endpoints only if it labels its Service; consuming needs no label [L15]."""
        return self.scope(cluster) in {"global", "global-only"}

    def global_endpoints(self, cluster: str) -> dict[str, list[Pod]]:
        """By serving cluster: its own pods, and those of all peers that share."""
        return {name: self.pods(name) for name in self.visible(cluster) if self.shares(name) and self.pods(name)}

    def annotation(self, host_is_global: bool) -> str:
        """The traffic distribution, which is the same on all clusters here; PreferNetwork where a global service has
        none, nothing for an ordinary one [M]."""
        for name in self.clusters:
            found = self.object(name, "Service", SERVICE)
            if found is not None and found["metadata"].get("annotations"):
                return found["metadata"]["annotations"]["networking.istio.io/traffic-distribution"]
        return "PreferNetwork" if host_is_global else "Any"

    def http(self) -> bool:
        for name in self.clusters:
            found = self.object(name, "Service", SERVICE)
            if found is not None:
                return found["spec"]["ports"][0]["name"] == "http"
        return True

    def waypoint(self, cluster: str) -> str | None:
        """`ready`, `empty` or None, by the cluster's own objects: the Service's label, else its namespace's [W]."""
        label = self.label(cluster, "Service", SERVICE, "istio.io/use-waypoint")
        if label is None:
            label = self.label(cluster, "Namespace", NAMESPACE, "istio.io/use-waypoint")
        return self.gateway(cluster, label, {"service", "all"})

    def workload_waypoint(self, cluster: str) -> str | None:
        """The same for pods: by the namespace's label, as no pod here has one [W]."""
        label = self.label(cluster, "Namespace", NAMESPACE, "istio.io/use-waypoint")
        return self.gateway(cluster, label, {"workload", "all"})

    def gateway(self, cluster: str, label: str | None, traffic: set[str]) -> str | None:
        gateway = self.object(cluster, "Gateway", "waypoint")
        if label in {None, "none"} or gateway is None:
            return None
        if gateway["metadata"].get("labels", {}).get("istio.io/waypoint-for", "service") not in traffic:
            return None
        if "status" in gateway:
            return None  # never ready: fails open [W]
        return "empty" if self.object(cluster, "Deployment", "waypoint") else "ready"

    def ingress_label(self, cluster: str) -> bool:
        return self.label(cluster, "Service", SERVICE, "istio.io/ingress-use-waypoint") == "true"

    def route(self, cluster: str, host: str) -> Route | None:
        """The route for a host at an Envoy of a cluster: an HTTPRoute of the Service covers both names, a
        VirtualService those that it lists [G]."""
        if self.object(cluster, "HTTPRoute", SERVICE) is not None:
            return Route(cluster, "HTTPRoute", SERVICE)
        entry = self.object(cluster, "VirtualService", SERVICE)
        if entry is not None and (host == LOCAL or GLOBAL in entry["spec"]["hosts"]):
            return Route(cluster, "VirtualService", SERVICE)
        return None


# ------------------------------------------------------------------------------------------------ the decisions


def even(pods: list[Pod], way: Way) -> list[Way]:
    """Any of the pods with equal probability."""
    return [replace(way, share=way.share / len(pods), pod=pod, serving=pod.cluster) for pod in pods]


def failed(way: Way) -> list[Way]:
    return [replace(way, pod=None)]


def rank_l4(world: World, client: str, endpoint: str, distribution: str) -> int:
    """ztunnel's rank [Z]: leading scopes that match; the network's match outweighs the others, its mismatch is
    skipped. An aggregated entry of another network has no locality unless its peer Gateway is labelled."""
    if distribution == "Any":
        return 0
    same = world.network(client) == world.network(endpoint)
    if distribution == "PreferNetwork":
        return int(same)
    here, there = world.place(client), world.place(endpoint) if same else ("", "")
    rank = 3 if same else 0
    if here[0] == there[0]:
        rank += 1 + (here[1] == there[1])
    return rank


def rank_l7(world: World, proxy: str, endpoint: str, distribution: str) -> int:
    """An Envoy's rank [LB]: the first mismatching label decides; if it is the network, the rest still orders."""
    return rank_l4(world, proxy, endpoint, distribution)


def spread_l4(
    world: World, client: str, host: str, is_global: bool, endpoints: dict[str, list[Pod]], way: Way
) -> list[Way]:
    """ztunnel picks per connection among the best-ranked endpoints; a remote network weighs as many as its pods."""
    distribution = world.annotation(is_global)
    if not endpoints:
        return failed(replace(way, serving=client))
    ranks = {name: rank_l4(world, client, name, distribution) for name in endpoints}
    best = {name: pods for name, pods in endpoints.items() if ranks[name] == max(ranks.values())}
    whole = sum(len(pods) for pods in best.values())
    ways: list[Way] = []
    for name, pods in best.items():
        part = replace(way, share=way.share * Fraction(len(pods), whole), serving=name)
        if world.network(name) == world.network(client):
            ways += even(pods, part)
        else:
            ways += arrive(world, name, host, part, applied=False)
    return ways


def arrive(world: World, cluster: str, host: str, way: Way, applied: bool, from_gateway: bool = False) -> list[Way]:
    """At a remote cluster's east-west gateway, asked for the called host: its own waypoint, unless L7 was applied
    already [G] [L15]; what comes from an ingress gateway meets it only where the Service there says so."""
    state = world.waypoint(cluster)
    if applied or state is None or (from_gateway and not world.ingress_label(cluster)):
        return even(world.pods(cluster), way)
    if state == "empty":
        return failed(way)
    return at_waypoint(world, cluster, host, way)


def at_waypoint(world: World, cluster: str, host: str, way: Way) -> list[Way]:
    """L7 at a waypoint of a cluster."""
    name = f"waypoint:{cluster}/{NAMESPACE}/waypoint"
    if not world.http():
        return spread_l7(world, cluster, host, way)  # a TCP proxy: no HTTP routing [LW]
    return at_envoy(world, cluster, name, host, way)


def at_envoy(world: World, cluster: str, name: str, host: str, way: Way) -> list[Way]:
    """A proxy that routes by its cluster's own configuration, and by nothing else: routes are not peered [G]."""
    route = world.route(cluster, host)
    way = replace(way, envoys=(*way.envoys, (name, route)), serving=cluster)
    if route is None:
        return spread_l7(world, cluster, host, way)
    weight = world.weight(cluster)
    stable, canary = world.hashes(cluster)
    if not canary:
        canary = stable  # promoted: both point at the new revision
    ways: list[Way] = []
    for wanted, percent in ((stable, 100 - weight), (canary, weight)):
        if percent == 0:
            continue
        part = replace(way, share=way.share * Fraction(percent, 100))
        if route.kind == "HTTPRoute":  # cluster-scoped backend Services: this cluster's pods only
            pods = [pod for pod in world.pods(cluster) if pod.hash == wanted]
            ways += even(pods, part) if pods else failed(part)
        else:
            ways += subset(world, cluster, wanted, part)
    return ways


def subset(world: World, cluster: str, wanted: str, way: Way) -> list[Way]:
    """The endpoints of the local host with a hash: own pods, and on a flat network those remote ones whose labels are
    propagated and match [G]."""
    pods = {cluster: world.pods(cluster)}
    keys = world.env(cluster, "ENABLE_PEERING_LABEL_PROPAGATION") or ""
    if world.shares(cluster) and (keys == "all" or HASH in keys):
        peers = world.global_endpoints(cluster)
        pods |= {n: peers[n] for n in peers if n != cluster and world.network(n) == world.network(cluster)}
    chosen = {n: [pod for pod in found if pod.hash == wanted] for n, found in pods.items()}
    chosen = {n: found for n, found in chosen.items() if found}
    if not chosen:
        return failed(way)
    distribution = world.annotation(False)
    ranks = {n: rank_l7(world, cluster, n, distribution) for n in chosen}
    return even([pod for n, found in chosen.items() if ranks[n] == max(ranks.values()) for pod in found], way)


def spread_l7(world: World, cluster: str, host: str, way: Way, from_gateway: bool = False) -> list[Way]:
    """Plain balancing at an Envoy: the local name has its own cluster's pods only [L16]; the global name all, a
    remote network with the same weight as the own one (measured in an edition of [L15])."""
    endpoints = world.global_endpoints(cluster)
    if host == LOCAL:
        endpoints = {cluster: world.pods(cluster)} if world.pods(cluster) else {}
    if not endpoints:
        return failed(replace(way, serving=cluster))
    distribution = world.annotation(host == GLOBAL)
    ranks = {name: rank_l7(world, cluster, name, distribution) for name in endpoints}
    best = {name: pods for name, pods in endpoints.items() if ranks[name] == max(ranks.values())}
    networks = {world.network(name) for name in best}
    ways: list[Way] = []
    for network in networks:
        part = replace(way, share=way.share / len(networks))
        members = {name: pods for name, pods in best.items() if world.network(name) == network}
        if network == world.network(cluster):
            ways += even([pod for pods in members.values() for pod in pods], part)
        else:
            for name in members:
                there = replace(part, share=part.share / len(members), serving=name)
                ways += arrive(world, name, host, there, applied=not from_gateway, from_gateway=from_gateway)
    return ways


# ----------------------------------------------------------------------------------------------- the clients


def taken_over(world: World, cluster: str) -> bool:
    """Whether the local name means the global set here [L16]."""
    return world.scope(cluster) == "global-only" or (
        world.scope(cluster) == "global"
        and world.label(cluster, "Service", SERVICE, "solo.io/service-takeover") == "true"
    )


def resolves(world: World, cluster: str, host: str, mesh_dns: bool) -> bool:
    """Name resolution [L15]."""
    if host == LOCAL and world.object(cluster, "Service", SERVICE) is not None:
        return True
    if not mesh_dns:
        return False
    if host == LOCAL:
        return any(taken_over(world, name) for name in world.visible(cluster) if name != cluster)
    return any(world.scope(name) == "global" for name in world.visible(cluster))


def capture(pod: Document) -> tuple[str, bool]:
    """(capture, whether mesh DNS answers) of a client's pod template."""
    labels = pod["metadata"]["labels"]
    if labels.get("sidecar.istio.io/inject") == "true":
        return "sidecar", "true" in pod["metadata"]["annotations"]["proxy.istio.io/config"]
    unmeshed = labels.get("istio.io/dataplane-mode") == "none"
    return ("unmeshed", False) if unmeshed else ("ambient", True)


def walk(world: World, frm: str, to: str, flat: str) -> list[Way]:
    """All ways of a call. `flat` is the reading of the contested question on flat networks: `pods`, or a cluster."""
    if frm.startswith("ingress:"):
        return through_ingress(world, frm.removeprefix("ingress:").split("/")[0])
    cluster, space, _ = frm.split("/")
    start = Way(Fraction(1), (), None, cluster)
    kind, dns = capture(world.object(cluster, "Deployment", "client")["spec"]["template"])
    if to.startswith("pod:"):
        there = to.removeprefix("pod:").split("/")[0]
        if there != cluster and world.network(there) != world.network(cluster):
            return failed(start)  # another network's pod IP is not routable
        return to_pod(world, kind, cluster, there, start)
    host = to.rpartition(":")[0]
    if not resolves(world, cluster, host, dns):
        return failed(start)
    if kind == "unmeshed":  # kube-proxy
        return even(world.pods(cluster), start) if world.pods(cluster) else failed(start)
    is_global = host == GLOBAL or taken_over(world, cluster) or world.object(cluster, "Service", SERVICE) is None
    if world.object(cluster, "Service", SERVICE) is None and host == LOCAL:
        host = GLOBAL  # the local name is answered with the global service's VIP
        if any(world.route(n, LOCAL) != world.route(n, GLOBAL) for n in world.clusters):
            raise Silent("under which name a peer meets a local name without a Service")
        if any(world.scope(n) == "global-only" for n in world.clusters):
            raise Silent("scope global-only where there is no Service")
    endpoints = world.global_endpoints(cluster) if is_global else {cluster: world.pods(cluster)}
    endpoints = {name: pods for name, pods in endpoints.items() if pods}
    if kind == "sidecar":
        return at_sidecar(world, cluster, space, host, is_global, endpoints, flat, start)
    return ambient(world, cluster, host, is_global, endpoints, flat, start)


def to_pod(world: World, kind: str, client: str, cluster: str, way: Way) -> list[Way]:
    """A pod's address. Only a waypoint for workloads of the same cluster is on the way, bound by the namespace; it has
    no route for a pod [LW]. A remote pod on a flat network has no waypoint [G]."""
    pod = world.pods(cluster)[:1]
    if kind == "unmeshed" or client != cluster:
        return even(pod, way)
    state = world.workload_waypoint(cluster)
    if state is not None and kind == "sidecar":
        raise Silent("a sidecar, a pod's address and a waypoint for workloads")
    if state == "empty":
        return failed(way)
    if state == "ready":
        way = replace(way, envoys=((f"waypoint:{cluster}/{NAMESPACE}/waypoint", None),))
    return even(pod, way)


def ambient(
    world: World, cluster: str, host: str, is_global: bool, endpoints: dict[str, list[Pod]], flat: str, way: Way
) -> list[Way]:
    """ztunnel: the own cluster's waypoint, else a peer's on a flat network, else a pod or another network [Z] [G]."""
    state = world.waypoint(cluster)
    if state == "empty":
        return failed(way)
    if state == "ready":
        return at_waypoint(world, cluster, host, way)
    if is_global and flat != "pods":
        if world.waypoint(flat) == "empty":
            return failed(way)
        return at_waypoint(world, flat, host, way)
    return spread_l4(world, cluster, host, is_global, endpoints, way)


def at_sidecar(
    world: World,
    cluster: str,
    space: str,
    host: str,
    is_global: bool,
    endpoints: dict[str, list[Pod]],
    flat: str,
    way: Way,
) -> list[Way]:
    """A sidecar hands over to a waypoint under interop, else does L7 with its own cluster's configuration [G]."""
    if is_global and host == LOCAL:
        raise Silent("a taken-over local name at a sidecar")
    interop = (world.env(cluster, "ENABLE_WAYPOINT_INTEROP") or "true") == "true"
    if not world.http():
        raise Silent("a sidecar and a TCP port")
    if interop and world.waypoint(cluster) is not None:
        return ambient(world, cluster, host, is_global, endpoints, flat, way)
    remote = [n for n in endpoints if n != cluster and world.waypoint(n) is not None] if is_global else []
    route = world.route(cluster, host)
    if route is not None and host == GLOBAL and route.kind == "HTTPRoute":
        raise Silent("an HTTPRoute for the global name at a sidecar")
    if interop and remote:
        if set(endpoints) == set(remote) and len(endpoints) == 1:
            return ambient(world, cluster, host, is_global, endpoints, flat, way)
        raise Silent("a sidecar with interop between endpoints with and without a waypoint")
    name = f"sidecar:{cluster}/{space}/client"
    if route is not None:
        return at_envoy(world, cluster, name, host, way)
    way = replace(way, envoys=(*way.envoys, (name, None)))
    return spread_l7(world, cluster, GLOBAL if is_global else LOCAL, way)


def through_ingress(world: World, cluster: str) -> list[Way]:
    """An Istio ingress gateway [G]: through the waypoint only if the Service says so and has one, else to the pods."""
    own = Route(cluster, "HTTPRoute", "edge")
    way = Way(Fraction(1), ((f"gateway:{cluster}/{NAMESPACE}/edge", own),), None, cluster)
    backend = world.object(cluster, "HTTPRoute", "edge")["spec"]["rules"][0]["backendRefs"][0]
    hostname = backend.get("kind") == "Hostname"
    if hostname and not resolves(world, cluster, GLOBAL, mesh_dns=True):
        return failed(way)  # no such backend
    if not hostname and world.object(cluster, "Service", SERVICE) is None:
        return failed(way)  # no such backend
    host = GLOBAL if hostname else LOCAL
    if world.object(cluster, "Service", SERVICE) is None and world.waypoint(cluster) is not None:
        raise Silent("whose ingress label counts where there is no Service")
    if world.ingress_label(cluster) and world.waypoint(cluster) is not None:
        if world.waypoint(cluster) == "empty":
            return failed(way)
        return at_waypoint(world, cluster, host, way)
    if hostname and all(world.network(name) == world.network(cluster) for name in world.clusters):
        asking = [name for name in world.global_endpoints(cluster) if name != cluster and world.ingress_label(name)]
        asking = [name for name in asking if world.waypoint(name) is not None]
        if asking and (len(world.global_endpoints(cluster)) > 1 or world.object(cluster, "Service", SERVICE)):
            raise Silent("an ingress gateway on a flat network between clusters that differ")
        if asking:  # as across networks: through the serving cluster's waypoint where its Service says so
            if world.waypoint(asking[0]) == "empty":
                return failed(way)
            return at_waypoint(world, asking[0], GLOBAL, way)
    return spread_l7(world, cluster, host, way, from_gateway=True)


# ---------------------------------------------------------------------------------------------- the verdict


def decider(way: Way) -> str | None:
    """The last Envoy at which a rule matched; if none, the last with HTTP routing."""
    matched = [name for name, route in way.envoys if route is not None]
    routed = [name for name, _ in way.envoys]
    return matched[-1] if matched else routed[-1] if routed else None


def judge(world: World, rollout: str | None, ways: list[Way]) -> Result:
    """The verdict of the ways for the Rollout in a cluster (None: for nobody)."""
    error = sum((way.share for way in ways if way.pod is None), Fraction(0))
    groups: dict[tuple[Any, ...], Fraction] = {}
    for way in ways:
        key = (way.envoys, way.serving, way.pod is None)
        groups[key] = groups.get(key, Fraction(0)) + way.share
    largest = [key for key, share in groups.items() if share == max(groups.values())]
    deciders = frozenset(decider(way) for way in ways if (way.envoys, way.serving, way.pod is None) in largest)
    if rollout is None:
        shares = Shares(other=1 - error, error=error)
        return Result(Verdict.FAILING if error else Verdict.UNGOVERNED, shares, deciders)
    stable, canary = world.hashes(rollout)
    by_role = {"stable": Fraction(0), "canary": Fraction(0), "other": Fraction(0)}
    applied = elsewhere = Fraction(0)
    for way in ways:
        matched = [route for _, route in way.envoys if route is not None]
        if matched and matched[-1].name == SERVICE:
            if matched[-1].cluster == rollout:
                applied += way.share
            else:
                elsewhere += way.share
        if way.pod is not None:
            role = "stable" if way.pod.hash == stable else "canary" if canary and way.pod.hash == canary else "other"
            by_role[role] += way.share
    shares = Shares(**by_role, error=error)
    wanted = Fraction(world.weight(rollout), 100)
    as_wanted = (shares.canary, shares.stable) == (wanted, 1 - wanted)
    if error:
        verdict = Verdict.FAILING
    elif applied == 1:
        verdict = Verdict.APPLIED if as_wanted else Verdict.SKEWED
    elif applied:
        verdict = Verdict.PARTIAL
    else:
        verdict = Verdict.ELSEWHERE if elsewhere == 1 else Verdict.BYPASSED
    return Result(verdict, shares, deciders)


def flat_readings(world: World, frm: str, to: str) -> list[str]:
    """The readings of a flat network: without a waypoint in the client's cluster, that of the one cluster which has
    endpoints; with endpoints in several clusters it is contested [G], unless no peer has a waypoint."""
    if frm.startswith("ingress:") or to.startswith("pod:"):
        return ["pods"]
    cluster = frm.split("/")[0]
    if any(world.network(name) != world.network(cluster) for name in world.clusters):
        return ["pods"]
    serving = list(world.global_endpoints(cluster))
    bound = [name for name in serving if name != cluster and world.waypoint(name) is not None]
    if not bound or world.waypoint(cluster) is not None:
        return ["pods"]
    return bound if len(serving) == 1 else ["pods", *bound]


def resolve(document: Mapping[str, Any], step: int, frm: str, to: str, rollout: str | None) -> Result:
    """(verdict, exact shares, deciders) of a call for the Rollout of a cluster. Raises Silent."""
    world = World(dict(document), step)
    results = [judge(world, rollout, walk(world, frm, to, flat)) for flat in flat_readings(world, frm, to)]
    if any((r.verdict, r.shares) != (results[0].verdict, results[0].shares) for r in results):
        return Result(Verdict.UNDETERMINED, None, frozenset({None}))
    return results[0]


def reached(document: Mapping[str, Any], step: int, frm: str, to: str) -> set[str]:
    """The clusters whose pods a call reaches, whatever is contested."""
    world = World(dict(document), step)
    sets = [{w.pod.cluster for w in walk(world, frm, to, f) if w.pod} for f in flat_readings(world, frm, to)]
    return set.intersection(*sets)
