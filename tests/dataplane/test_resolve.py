"""One call from its client: names, captures, addresses, and which ztunnel or proxy goes on. Expected values: ztunnel
src/proxy/outbound.rs and src/state.rs, the Kubernetes networking model, Solo's public workshops on DNS capture."""

from dataclasses import replace
from fractions import Fraction

from strategies.tables import (
    HALF,
    ONE,
    VIP,
    WAY,
    WAYPOINT,
    WEB,
    Tables,
    backend,
    ends,
    gateway_pod,
    hops,
    host,
    paths,
    pod_row,
    proxy,
    remote,
    service,
    split,
    tags,
    view,
    waypoint_service,
    workload,
)

from meshsim.dataplane.match import HttpRequest
from meshsim.dataplane.resolve import is_address, resolve
from meshsim.dataplane.walk import Client, Target
from meshsim.model.trace import Step
from meshsim.tables.service import LoadBalancing, Mode, Scope
from meshsim.tables.views import ClusterView, Name, PodRow
from meshsim.tables.workload import GatewayAddress, NamespacedHostname, NetworkAddress

CLIENT = workload("client", serves="")
PODS = (workload("a"), workload("b"))
WAYPOINT_POD = workload("w", serves=WAY)
PREFER_NETWORK = LoadBalancing(preferences=(Scope.NETWORK,), mode=Mode.FAILOVER)
WEB80 = Target(host=WEB, port=80)


def tables(
    here: ClusterView, *more: ClusterView, capture: str | None = "ambient", rows: tuple[PodRow, ...] = ()
) -> Tables:
    """c1's waypoint always chooses the pod `canary`; so does c2's, its own."""
    ways = [
        proxy(
            split(canary=1),
            ident=f"waypoint:{c}/shop/way",
            clusters=(backend("canary", host(f"canary-{c}", cluster=c)),),
        )
        for c in ("c1", "c2")
    ]
    pods = [
        pod_row("client", capture=capture, ident="sidecar:c1/shop/client"),
        pod_row("w", ident=WAYPOINT),
        pod_row("w2", "c2", ident="waypoint:c2/shop/way"),
        *(pod_row(uid, capture="none") for uid in ("a", "b", "canary-c1")),
        *(pod_row(uid, "c2", capture="none") for uid in ("r1", "r2", "canary-c2")),
        *rows,
    ]
    return Tables(views=[here, *more], proxies=ways, pods=pods)


def call(known: Tables, target: Target = WEB80, uid: str = "client", kind: str = "pod") -> tuple[Step, ...]:
    client = Client(kind=kind, cluster="c1", namespace="shop", uid=uid)
    return resolve(known, [(ONE, client)], target, HttpRequest(authority=WEB)).roots


def far(*, bound: bool = False, root: str = "root1") -> ClusterView:
    pods = (workload("w2", "c2", serves=WAY), workload("r1", "c2"), workload("r2", "c2"))
    return view("c2", [service("n2", bound=bound), waypoint_service("n2")], pods, root=root)


class TestNames:
    def test_an_unknown_name_does_not_resolve(self) -> None:
        steps = call(tables(view("c1", [service()], [CLIENT, *PODS])), Target(host="nobody.shop", port=80))
        assert ends(steps) == {"nxdomain": 1}
        assert "failed:MS103" in tags(steps)

    def test_a_name_of_the_mesh_exists_for_captured_pods_only(self) -> None:
        row = service()
        here = view("c1", [row], [CLIENT, *PODS], names={WEB: Name(host=WEB, service=row, ips=(VIP,), mesh_only=True)})
        assert ends(call(tables(here, capture="ambient"))) == {"a": HALF, "b": HALF}
        assert ends(call(tables(here, capture="none"))) == {"nxdomain": 1}
        assert ends(call(tables(here), kind="external")) == {"nxdomain": 1}

    def test_each_address_of_a_headless_service_gets_an_equal_part(self) -> None:
        ips = tuple(pod.ips[0] for pod in PODS)
        name = Name(host=WEB, service=service(), ips=ips, headless=True)
        here = view("c1", [], [CLIENT, *PODS], names={WEB: name})
        steps = call(tables(here))
        assert ends(steps) == {"a": HALF, "b": HALF}
        assert "workload-addressed" in tags(steps)

    def test_a_headless_service_without_a_ready_pod_has_no_address(self) -> None:
        here = view("c1", [], [CLIENT], names={WEB: Name(host=WEB, service=service(), ips=(), headless=True)})
        assert ends(call(tables(here))) == {"nxdomain": 1}

    def test_addresses_are_told_from_names(self) -> None:
        assert is_address("10.1.2.3")
        assert is_address("2001:2::1")
        assert not is_address("web.shop")
        assert not is_address("10.1.2.3.example")


class TestOutsideTheMesh:
    def test_kube_proxy_picks_any_ready_pod_whatever_the_waypoint(self) -> None:
        here = view(
            "c1",
            [service(bound=True), waypoint_service()],
            [CLIENT, WAYPOINT_POD, *PODS],
            kube={f"{VIP}:80": (("a", 8080), ("b", 8080))},
        )
        steps = call(tables(here, capture="none"))
        assert ends(steps) == {"a": HALF, "b": HALF}
        assert "unmeshed" in tags(steps)

    def test_a_service_without_a_pod_refuses(self) -> None:
        here = view("c1", [service()], [CLIENT], kube={f"{VIP}:80": ()})
        assert ends(call(tables(here, capture="none"))) == {"refused": 1}

    def test_nobody_said_whether_the_client_is_in_the_mesh(self) -> None:
        assert ends(call(tables(view("c1", [service()], [CLIENT, *PODS]), capture=None))) == {"MS901": 1}


class TestZtunnel:
    def test_a_bound_service_goes_to_the_clients_own_waypoint(self) -> None:
        here = view("c1", [service(bound=True), waypoint_service()], [CLIENT, WAYPOINT_POD, *PODS])
        steps = call(tables(here))
        assert ends(steps) == {"canary-c1": 1}
        assert hops(steps) == {("ztunnel:c1", WAYPOINT, "pod")}

    def test_the_connection_is_ztunnels_choice_and_the_request_is_the_waypoints(self) -> None:
        here = view("c1", [service(bound=True), waypoint_service()], [CLIENT, WAYPOINT_POD, *PODS])
        (path,) = paths(call(tables(here)))
        assert [(step.hop, step.granularity) for step in path.steps[:2]] == [
            ("ztunnel:c1", "connection"),
            (WAYPOINT, "request"),
        ]

    def test_a_kept_connection_stays_on_one_pod_where_ztunnel_chooses(self) -> None:
        found = paths(call(tables(view("c1", [service()], [CLIENT, *PODS]))))
        assert {path.steps[0].granularity for path in found} == {"connection"}
        assert all(not step.l7 for path in found for step in path.steps)

    def test_a_bound_waypoint_without_a_pod_resets(self) -> None:
        here = view("c1", [service(bound=True), waypoint_service()], [CLIENT, *PODS])
        steps = call(tables(here))
        assert {end.split()[0] for end in ends(steps)} == {"reset"}
        assert "failed:MS206" in tags(steps)

    def test_a_service_without_an_endpoint_resets_without_an_http_status(self) -> None:
        steps = call(tables(view("c1", [service()], [CLIENT])))
        ((end, share),) = ends(steps).items()
        assert (end.split()[0], share) == ("reset", 1)
        assert "failed:MS307" in tags(steps)

    def test_without_a_preference_a_remote_network_weighs_as_many_as_its_pods(self) -> None:
        # 2 local pods and an entry for 6: 2/8 and 6/8, which c2 spreads over its own two pods
        here = view("c1", [service()], [CLIENT, *PODS, remote("c2", 6), gateway_pod("c2")])
        steps = call(tables(here, far()))
        assert ends(steps) == {"a": Fraction(1, 8), "b": Fraction(1, 8), "r1": Fraction(3, 8), "r2": Fraction(3, 8)}

    def test_prefer_network_keeps_all_at_home_while_one_pod_is_left(self) -> None:
        here = view("c1", [service(balancing=PREFER_NETWORK)], [CLIENT, PODS[0], remote("c2", 6), gateway_pod("c2")])
        steps = call(tables(here, far()))
        assert ends(steps) == {"a": 1}
        assert "passed-over:c2" in tags(steps)

    def test_without_a_pod_at_home_the_other_network_serves_through_its_waypoint(self) -> None:
        here = view("c1", [service(balancing=PREFER_NETWORK)], [CLIENT, remote("c2", 6), gateway_pod("c2")])
        steps = call(tables(here, far(bound=True)))
        assert ends(steps) == {"canary-c2": 1}
        assert hops(steps) == {("ztunnel:c1", "eastwest:c2", "waypoint:c2/shop/way", "pod")}

    def test_different_roots_fail_the_handshake_and_nothing_fails_over(self) -> None:
        here = view("c1", [service()], [CLIENT, *PODS, remote("c2", 2), gateway_pod("c2")])
        steps = call(tables(here, far(root="another")))
        assert ends(steps) == {"a": Fraction(1, 4), "b": Fraction(1, 4), "tls": HALF}
        assert "failed:MS502" in tags(steps)

    def test_a_ztunnel_that_believes_in_another_network_passes_the_clusterip_through(self) -> None:
        """Its VIP look-up misses: kube-proxy picks, the waypoint is bypassed without a word."""
        here = view(
            "c1",
            [service(bound=True), waypoint_service()],
            [CLIENT, WAYPOINT_POD, *PODS],
            ztunnel_network="elsewhere",
            kube={f"{VIP}:80": (("a", 8080), ("b", 8080))},
        )
        steps = call(tables(here))
        assert ends(steps) == {"a": HALF, "b": HALF}
        assert "no-vip" in tags(steps)

    def test_a_global_vip_that_ztunnel_does_not_know_leads_nowhere(self) -> None:
        here = view("c1", [service()], [CLIENT, *PODS], ztunnel_network="elsewhere")
        assert ends(call(tables(here))) == {"timeout": 1}


class TestPodAddresses:
    def test_a_pods_address_leads_to_that_pod_past_the_waypoint(self) -> None:
        here = view("c1", [service(bound=True), waypoint_service()], [CLIENT, WAYPOINT_POD, *PODS])
        steps = call(tables(here), Target(ip=PODS[1].ips[0], port=8080))
        assert ends(steps) == {"b": 1}
        assert "workload-addressed" in tags(steps)

    def test_a_waypoint_for_workloads_is_on_the_way_and_applies_no_route(self) -> None:
        way = GatewayAddress(NamespacedHostname("shop", WAY))
        pod = replace(PODS[0], waypoint=way)
        here = view("c1", [service(), waypoint_service()], [CLIENT, WAYPOINT_POD, pod])
        steps = call(tables(here), Target(ip=pod.ips[0], port=8080))
        assert ends(steps) == {"a": 1}
        (path,) = paths(steps)
        assert [(s.l7, s.route) for s in path.steps if s.hop == WAYPOINT] == [(True, None)]

    def test_another_networks_pod_is_out_of_reach(self) -> None:
        here = view("c1", [service()], [CLIENT, *PODS])
        assert ends(call(tables(here, far()), Target(ip="10.1.2.99", port=8080))) == {"timeout": 1}

    def test_an_unmeshed_client_reaches_a_pod_of_its_network(self) -> None:
        steps = call(
            tables(view("c1", [service()], [CLIENT, *PODS]), capture="none"), Target(ip=PODS[0].ips[0], port=8080)
        )
        assert ends(steps) == {"a": 1}


class TestClients:
    def test_clients_in_several_places_are_averaged(self) -> None:
        # a third of the clients in c1 (2 pods), two thirds in c2 (waypoint)
        here = view("c1", [service()], [CLIENT, *PODS])
        there_client = workload("client2", "c2", serves="")
        pods = (workload("w2", "c2", serves=WAY), workload("r1", "c2"), there_client)
        there = view("c2", [service("n2", bound=True), waypoint_service("n2")], pods)
        known = tables(here, there, rows=(pod_row("client2", "c2"),))
        clients = [
            (Fraction(1, 3), Client(kind="pod", cluster="c1", namespace="shop", uid="client")),
            (Fraction(2, 3), Client(kind="pod", cluster="c2", namespace="shop", uid="client2")),
        ]
        trace = resolve(known, clients, WEB80, HttpRequest(authority=WEB))
        assert ends(trace.roots) == {"a": Fraction(1, 6), "b": Fraction(1, 6), "canary-c2": Fraction(2, 3)}

    def test_a_gateway_without_a_ready_pod_refuses(self) -> None:
        known = tables(view("c1", [service()], [*PODS]))
        assert ends(resolve(known, [], Target(host="shop.example.com", port=80), HttpRequest()).roots) == {"refused": 1}

    def test_a_sidecar_routes_by_its_own_chains(self) -> None:
        side = proxy(split(b=1), ident="sidecar:c1/shop/client", clusters=(backend("b", host("b")),))
        here = view("c1", [service(bound=True), waypoint_service()], [CLIENT, WAYPOINT_POD, *PODS])
        known = tables(here, capture="sidecar")
        known.proxies[side.id] = side
        steps = call(known)
        assert ends(steps) == {"b": 1}
        assert hops(steps) == {("sidecar:c1/shop/client", "pod")}

    def test_a_sidecar_passes_an_address_through_that_it_does_not_know(self) -> None:
        known = tables(view("c1", [service()], [CLIENT, *PODS]), capture="sidecar")
        steps = call(known, Target(ip=PODS[0].ips[0], port=8080))
        assert ends(steps) == {"a": 1}
        assert all(not step.l7 for path in paths(steps) for step in path.steps)


def test_a_vip_belongs_to_a_network() -> None:
    """The same address on another network is not this service (ztunnel looks up by network and IP)."""
    elsewhere = service(vips=(NetworkAddress("n2", VIP),))
    here = view("c1", [elsewhere], [CLIENT, *PODS])
    assert ends(call(tables(here))) == {"timeout": 1}
