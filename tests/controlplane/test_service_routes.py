"""Which routes a waypoint or a sidecar has for a service, and in which order. Expected values: istio
pilot/pkg/model/push_context.go:1138-1166, core/listener_waypoint_test.go (TestWaypointMultipleVirtualServices,
TestWaypointRequestRoutes), core/sidecar_simulation_test.go (TestSidecarRoutes)."""

from typing import Any

import pytest
from made_meshes import (
    BOUND,
    GLOBAL,
    ORDERS,
    WAYPOINT,
    backends,
    chain,
    cluster,
    namespace,
    plane,
    pods,
    proxy,
    service,
    waypoint,
)

from meshsim.tables.envoy import MatchType, RouteMatch, StringMatch

BASE = (service(), service("stable"), service("canary"), pods(2), BOUND, waypoint())
APART = (
    service(),
    service("stable"),
    service("canary"),
    pods(2),
    namespace("istio.io/use-waypoint: waypoint, istio.io/use-waypoint-namespace: infra"),
    waypoint(namespace="infra", more=", allowedRoutes: {namespaces: {from: All}}"),
)
INFRA = "waypoint:c1/infra/waypoint"
OLD, MIDDLE, YOUNG = "2025-01-01T00:00:00Z", "2025-06-01T00:00:00Z", "2025-12-01T00:00:00Z"


def virtual_service(
    name: str, created: str = "", place: str = "shop", match: str = "", route: str = "", **spec: str
) -> str:
    made = f", creationTimestamp: '{created}'" if created else ""
    target = route or f"[{{destination: {{host: {name}.elsewhere}}}}]"
    more = "\n".join(f"  {key}: {value}" for key, value in {"hosts": f"[{ORDERS}]", **spec}.items())
    return f"""
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: {place}{made}}}
spec:
{more}
  http:
  - route: {target}
{match}
"""


def http_route(name: str, created: str = "", place: str = "shop", path: str = "/", weights: str = "80 20") -> str:
    made = f", creationTimestamp: '{created}'" if created else ""
    stable, canary = weights.split()
    return f"""
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {name}, namespace: {place}{made}}}
spec:
  parentRefs: [{{group: "", kind: Service, name: orders, namespace: shop}}]
  rules:
  - matches: [{{path: {{type: PathPrefix, value: {path}}}}}]
    backendRefs:
    - {{name: stable, namespace: shop, port: 8080, weight: {stable}}}
    - {{name: canary, namespace: shop, port: 8080, weight: {canary}}}
"""


def first_names(*docs: str, base: tuple[str, ...] = BASE, ident: str = WAYPOINT) -> list[str]:
    made = plane(cluster("c1", *base, *docs))
    return [(route.object or "default").rpartition("/")[2] for route in chain(made, ident).routes]


MATCH = "    match: [{uri: {prefix: /a}}]"


class TestOrder:
    def test_without_routes_all_endpoints_of_the_service(self) -> None:
        assert backends(plane(cluster("c1", *BASE)), WAYPOINT) == [[(ORDERS, 1)]]

    def test_several_virtual_services_are_concatenated_by_age(self) -> None:
        docs = [virtual_service("young", YOUNG, match=MATCH), virtual_service("old", OLD, match=MATCH)]
        assert first_names(*docs) == ["old", "young"]

    def test_equal_ages_go_by_name(self) -> None:
        docs = [virtual_service(name, OLD, match=MATCH) for name in ("b", "a")]
        assert first_names(*docs) == ["a", "b"]

    def test_private_then_exported_then_public(self) -> None:
        docs = [
            virtual_service("public", OLD, match=MATCH),
            virtual_service("exported", MIDDLE, match=MATCH, place="shop", exportTo="[infra]"),
            virtual_service("private", YOUNG, match=MATCH, place="infra", exportTo="[.]"),
            virtual_service("own", YOUNG, match=MATCH, place="infra", exportTo="[infra]"),
        ]
        assert first_names(*docs, base=APART, ident=INFRA) == ["own", "private", "exported", "public"]

    def test_the_waypoint_namespaces_http_route_goes_before_public_virtual_services(self) -> None:
        docs = [virtual_service("vs", OLD, match=MATCH), http_route("route", YOUNG, path="/b")]
        assert first_names(*docs) == ["route", "vs"]

    def test_and_after_private_ones(self) -> None:
        docs = [virtual_service("vs", YOUNG, match=MATCH, exportTo="[.]"), http_route("route", OLD, path="/b")]
        assert first_names(*docs) == ["vs", "route"]

    @pytest.mark.parametrize(("created", "order"), [(OLD, ["vs", "route"]), (YOUNG, ["route", "vs"])])
    def test_the_service_namespaces_http_route_competes_by_age(self, created: str, order: list[str]) -> None:
        docs = [virtual_service("vs", created, match=MATCH), http_route("route", MIDDLE, path="/b")]
        assert first_names(*docs, base=APART, ident=INFRA) == order

    def test_a_catch_all_shadows_everything_after_it(self) -> None:
        docs = [virtual_service("all", OLD), virtual_service("never", YOUNG, match=MATCH)]
        assert first_names(*docs)[0] == "all"
        assert first_names(virtual_service("vs", OLD), http_route("route", YOUNG)) == ["route"]

    def test_other_namespaces_have_no_say(self) -> None:
        docs = [virtual_service("vs", OLD, place="client"), http_route("route", OLD, place="client")]
        assert first_names(*docs) == ["default"]

    def test_the_waypoints_namespace_has(self) -> None:
        docs = [virtual_service("vs", YOUNG, place="infra", match=MATCH), http_route("route", OLD, path="/b")]
        assert first_names(*docs, base=APART, ident=INFRA) == ["route", "vs"]
        own = [virtual_service("vs", OLD, match=MATCH), http_route("route", YOUNG, place="infra", path="/b")]
        assert first_names(*own, base=APART, ident=INFRA) == ["route", "vs"]

    def test_virtual_services_of_other_gateways_do_not_apply(self) -> None:
        assert first_names(virtual_service("vs", gateways="[shop/front]")) == ["default"]
        assert first_names(virtual_service("vs", gateways="[shop/front, mesh]")) == ["vs"]

    @pytest.mark.parametrize("hosts", ["['*']", "['*.shop.svc.cluster.local']", "[orders]"])
    def test_hosts_may_be_wildcards_or_short(self, hosts: str) -> None:
        assert first_names(virtual_service("vs", hosts=hosts)) == ["vs"]

    def test_source_labels_never_match_at_a_waypoint(self) -> None:
        labelled = "    match: [{sourceLabels: {app: web}}, {uri: {prefix: /a}}]"
        routes = chain(plane(cluster("c1", *BASE, virtual_service("vs", match=labelled))), WAYPOINT).routes
        assert [r.match.path.value for r in routes if r.match.path] == ["/a"]


class TestUnknownAge:
    def question(self, *docs: str, base: tuple[str, ...] = BASE, ident: str = WAYPOINT) -> str:
        return chain(plane(cluster("c1", *base, *docs)), ident).open_question

    def test_two_of_one_group_without_times_leave_the_order_open(self) -> None:
        assert "no creationTimestamp" in self.question(virtual_service("a"), virtual_service("b"))

    def test_one_of_each_group_needs_no_times(self) -> None:
        docs = [virtual_service("vs"), http_route("route")]
        assert self.question(*docs) == ""

    def test_what_is_shadowed_anyhow_is_no_question(self) -> None:
        docs = [http_route("route"), virtual_service("a"), virtual_service("b")]
        assert self.question(*docs) == ""

    def test_in_the_services_namespace_the_age_is_needed(self) -> None:
        docs = [virtual_service("vs"), http_route("route")]
        assert "no creationTimestamp" in self.question(*docs, base=APART, ident=INFRA)


class TestVirtualServices:
    def test_weights_are_as_written_and_zeros_dropped(self) -> None:
        route = "[{destination: {host: stable}, weight: 3}, {destination: {host: canary}, weight: 0}]"
        assert backends(plane(cluster("c1", *BASE, virtual_service("vs", route=route))), WAYPOINT) == [[("stable", 3)]]

    def test_one_destination_needs_no_weight(self) -> None:
        route = "[{destination: {host: canary}, weight: 0}]"
        made = plane(cluster("c1", *BASE, virtual_service("vs", route=route)))
        assert backends(made, WAYPOINT) == [[("canary", 1)]]

    def test_several_of_weight_zero_are_refused_and_the_object_is_not_in_force(self) -> None:
        route = "[{destination: {host: stable}, weight: 0}, {destination: {host: canary}, weight: 0}]"
        found = chain(plane(cluster("c1", *BASE, virtual_service("vs", route=route))), WAYPOINT)
        assert [r.object for r in found.routes] == [None]
        assert [f.value for f in found.facts if f.name == "validation"] == ["refused: total destination weight = 0"]

    def test_an_undefined_subset_and_an_unknown_host_answer_503(self) -> None:
        route = "[{destination: {host: orders, subset: v9}, weight: 1}, {destination: {host: gone}, weight: 1}]"
        made = plane(cluster("c1", *BASE, virtual_service("vs", route=route)))
        assert len(backends(made, WAYPOINT)[0]) == 2
        assert set(proxy(made, WAYPOINT).missing_cluster_status.values()) == {503}

    def test_a_host_that_a_service_entry_gives_is_left_open(self) -> None:
        entry = """
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: partner}
spec: {hosts: ["*.partner.example"], location: MESH_EXTERNAL, resolution: DNS}
"""
        vs = virtual_service("vs", route="[{destination: {host: api.partner.example}}]")
        backend = "kind: Hostname, group: networking.istio.io, name: api.partner.example"
        for doc in (vs, http_route("r").replace("name: canary, namespace: shop", backend)):
            made = proxy(plane(cluster("c1", *BASE, entry, doc)), WAYPOINT)
            names = [c.cluster for c in made.chains[f"{ORDERS}:8080"].routes[0].clusters]
            assert [c for c in names if c in made.clusters and made.clusters[c].unmodelled] == [names[-1]]

    def test_a_missing_backend_of_an_http_route_answers_500(self) -> None:
        made = plane(cluster("c1", *(d for d in BASE if "name: canary" not in d), http_route("r")))
        chain(made, WAYPOINT)
        assert set(proxy(made, WAYPOINT).missing_cluster_status.values()) == {500}


class TestPorts:
    def test_a_route_for_the_port_goes_before_one_for_all_where_both_are_as_old(self) -> None:
        """One VirtualService for each port of a parent, and one without (route_collections.go)."""
        for_all = http_route("all", OLD)
        for_port = http_route("port", OLD).replace("namespace: shop}]", "namespace: shop, port: 8080}]", 1)
        assert first_names(for_all, for_port) == ["port", "all"]
        assert first_names(for_all, for_port.replace(OLD, YOUNG)) == ["all", "port"]

    def test_a_route_for_another_port_is_not_this_ones(self) -> None:
        other = http_route("port", OLD).replace("namespace: shop}]", "namespace: shop, port: 9}]", 1)
        assert first_names(other) == ["default"]


class TestNotInForce:
    def facts(self, doc: str) -> dict[str, Any]:
        found = chain(plane(cluster("c1", *BASE, doc)), WAYPOINT)
        assert [r.object for r in found.routes] == [None]
        return {f.name: f.value for f in found.facts}

    def test_a_service_without_its_empty_group_is_no_parent(self) -> None:
        facts = self.facts(http_route("r").replace('group: "", ', ""))
        assert "the group of a Service" in facts["spec.parentRefs.0.group"]

    def test_a_route_that_istiod_refuses_is_named(self) -> None:
        facts = self.facts(http_route("r").replace("name: stable", "name: stable.shop"))
        assert facts["conversion"] == "refused: rule 0: stable.shop is no name of a Service"


SIDECAR = "sidecar:c1/client/web"
CLIENT = """
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: client}
spec:
  template:
    metadata: {labels: {app: web, sidecar.istio.io/inject: "true"}}
    spec: {containers: [{name: web, image: example.com/web}]}
"""


class TestMatches:
    def matches(self, match: str, *, ident: str = WAYPOINT, base: tuple[str, ...] = BASE) -> list[RouteMatch]:
        doc = virtual_service("vs", match=f"    match: [{match}]")
        return [r.match for r in chain(plane(cluster("c1", *base, doc)), ident).routes if r.object]

    @pytest.mark.parametrize(
        ("match", "kept"),
        [
            ("{gateways: [mesh]}", True),
            ("{gateways: [front]}", False),
            ("{sourceLabels: {app: web}}", False),
            ("{gateways: [mesh], sourceLabels: {app: web}}", False),
            ("{sourceNamespace: shop}", True),
            ("{sourceNamespace: client}", False),
            ("{gateways: [mesh], sourceNamespace: client}", True),
            ("{port: 8080}", True),
            ("{port: 9}", False),
        ],
    )
    def test_which_are_meant_for_a_waypoint(self, match: str, kept: bool) -> None:
        """It drops what has sourceLabels, and compares sourceNamespace with its own (listener_waypoint.go:1185)."""
        assert bool(self.matches(match)) is kept

    @pytest.mark.parametrize(
        ("match", "kept"),
        [
            ("{sourceNamespace: client}", True),
            ("{sourceNamespace: shop}", False),
            ("{gateways: [mesh], sourceLabels: {app: other}}", True),
            ("{gateways: [front], sourceLabels: {app: web}}", False),
        ],
    )
    def test_which_are_meant_for_a_sidecar(self, match: str, kept: bool) -> None:
        """Named gateways count alone (route.go sourceMatchHTTP)."""
        assert bool(self.matches(match, ident=SIDECAR, base=(*BASE, CLIENT))) is kept

    def test_an_asterisk_and_nothing_ask_for_presence(self) -> None:
        (match,) = self.matches('{headers: {a: {regex: "*"}, b: {}, c: {prefix: /}}, queryParams: {q: {regex: "*"}}}')
        present = StringMatch(MatchType.PRESENT)
        assert match.headers == (("a", present), ("b", present), ("c", StringMatch(MatchType.PREFIX, "/")))
        assert match.query == (("q", present),)

    def test_claims_need_a_token_and_leave_the_rest_open(self) -> None:
        doc = virtual_service("vs", match='    match: [{headers: {"@request.auth.claims.group": {exact: beta}}}]')
        (route,) = chain(plane(cluster("c1", *BASE, doc)), WAYPOINT).routes
        assert route.match.headers == (("authorization", StringMatch(MatchType.PRESENT)),)
        assert "tokens are not evaluated" in route.unmodelled[0]

    @pytest.mark.parametrize(
        ("section", "modelled"),
        [
            ("fault: {delay: {percentage: {value: 50}, fixedDelay: 1s}}", True),
            ("fault: {delay: {percentage: {value: 50}, fixedDelay: 1s}}, timeout: 1s", False),
            ("fault: {abort: {percentage: {value: 50}, httpStatus: 500}}", False),
        ],
    )
    def test_a_delay_alone_changes_no_share(self, section: str, modelled: bool) -> None:
        spec = f"{{hosts: [orders], http: [{{{section}, route: [{{destination: {{host: canary}}}}]}}]}}"
        doc = f"---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: vs}}\nspec: {spec}\n"
        (route,) = chain(plane(cluster("c1", *BASE, doc)), WAYPOINT).routes
        assert (route.unmodelled == ()) is modelled


class TestDelegates:
    ROOT = """
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: root}
spec:
  hosts: [orders]
  http:
  - {match: [{uri: {prefix: /api}}], delegate: {name: leaf, namespace: team}}
  - {route: [{destination: {host: stable}}]}
"""
    LEAF = """
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: leaf, namespace: team}
spec:
  exportTo: ["*"]
  http:
  - name: fits
    match: [{uri: {prefix: /api/v1}, headers: {a: {exact: b}}}]
    route: [{destination: {host: canary.shop.svc.cluster.local}}]
  - {name: conflicts, match: [{uri: {prefix: /other}}], route: [{destination: {host: canary.shop.svc.cluster.local}}]}
  - {name: inherits, route: [{destination: {host: canary.shop.svc.cluster.local}}]}
"""

    def found(self, *docs: str) -> list[tuple[str, str, str]]:
        routes = chain(plane(cluster("c1", *BASE, *docs)), WAYPOINT).routes
        paths = [r.match.path.value if r.match.path else "/" for r in routes]
        return [((r.object or "").rpartition("/")[2], r.rule, path) for r, path in zip(routes, paths, strict=True)]

    def test_its_routes_stand_in_for_the_roots_within_the_roots_match(self) -> None:
        assert self.found(self.ROOT, self.LEAF) == [
            ("leaf", "fits", "/api/v1"),
            ("leaf", "inherits", "/api"),
            ("root", "1", "/"),
        ]

    def test_one_that_is_missing_or_not_exported_leaves_its_entry_out(self) -> None:
        assert self.found(self.ROOT) == [("root", "1", "/")]
        assert self.found(self.ROOT, self.LEAF.replace('exportTo: ["*"]', 'exportTo: ["."]')) == [("root", "1", "/")]

    def test_it_has_no_hosts_of_its_own(self) -> None:
        assert self.found(self.LEAF) == [("", "default", "/")]


class TestParentsElsewhere:
    FAR = cluster("c2", service(labels=GLOBAL), service("stable"), service("canary"), pods(1), BOUND, waypoint())
    NEAR = (BOUND, waypoint(), service("stable"), service("canary"), http_route("r"))

    def test_a_route_here_applies_to_a_service_known_from_elsewhere(self) -> None:
        assert len(backends(plane(cluster("c1", *self.NEAR), self.FAR), WAYPOINT)[0]) == 2


class TestSidecars:
    def names(self, *docs: str) -> list[str]:
        return first_names(*docs, base=(*BASE, CLIENT), ident=SIDECAR)

    def test_the_first_virtual_service_alone_wherever_it_is(self) -> None:
        docs = [virtual_service("young", YOUNG, match=MATCH), virtual_service("old", OLD, place="far", match=MATCH)]
        assert self.names(*docs) == ["old"]

    def test_an_exact_host_goes_before_an_older_wildcard_and_the_longest_of_these_first(self) -> None:
        """sidecar.go computeWildcardHostVirtualServiceIndex."""
        wide = virtual_service("wide", OLD, place="far", match=MATCH, hosts='["*.cluster.local"]')
        near = virtual_service("near", MIDDLE, place="far", match=MATCH, hosts='["*.shop.svc.cluster.local"]')
        exact = virtual_service("exact", YOUNG, match=MATCH)
        assert self.names(wide, near, exact) == ["exact"]
        assert self.names(wide, near) == ["near"]

    def test_one_without_a_route_for_the_port_is_passed_over(self) -> None:
        docs = [virtual_service("old", OLD, match="    match: [{port: 9}]"), virtual_service("young", YOUNG)]
        assert self.names(*docs) == ["young"]

    def test_a_producers_route_applies(self) -> None:
        assert self.names(http_route("route")) == ["route"]

    def test_a_consumers_own_route_is_preferred(self) -> None:
        docs = [http_route("producer", OLD), http_route("consumer", YOUNG, place="client")]
        assert self.names(*docs) == ["consumer"]

    def test_a_third_namespaces_route_is_ignored(self) -> None:
        assert self.names(http_route("route", place="other")) == ["default"]

    def test_of_two_without_times_the_first_is_unknown(self) -> None:
        made = plane(cluster("c1", *BASE, CLIENT, virtual_service("a"), virtual_service("b", place="far")))
        found = chain(made, SIDECAR)
        assert "no creationTimestamp" in found.open_question
        assert len({route.object for route in found.routes}) == 2

    def test_its_own_labels_are_matched(self) -> None:
        labelled = "    match: [{sourceLabels: {app: web}}]"
        assert self.names(virtual_service("vs", match=labelled)) == ["vs"]
        assert self.names(virtual_service("vs", match=labelled.replace("web", "other"))) == ["default"]

    def test_it_never_uses_the_services_waypoint(self) -> None:
        made = plane(cluster("c1", *BASE, CLIENT))
        at = proxy(made, SIDECAR)
        found = at.chains[f"{ORDERS}:8080"]
        kinds = {e.via.value for w in found.routes[0].clusters for e in at.clusters[w.cluster].endpoints}
        assert (found.http, kinds) == (True, {"hbone"})

    def test_pods_behind_an_hbone_gateway_are_left_out(self) -> None:
        shared = (service(labels=GLOBAL), BOUND, waypoint())
        made = plane(cluster("c1", *shared, CLIENT), cluster("c2", *shared, pods(3)))
        at = proxy(made, SIDECAR)
        found = at.clusters[at.chains[f"{ORDERS}:8080"].routes[0].clusters[0].cluster]
        assert (found.endpoints, found.empty_reason) == ((), "MS307")


TCP = tuple(d.replace("name: http", "name: tcp") for d in BASE)


def tcp_route(name: str, created: str = "", kind: str = "TCPRoute", hostnames: str = "[]") -> str:
    return (
        http_route(name, created)
        .replace("HTTPRoute", kind)
        .replace("  - matches: [{path: {type: PathPrefix, value: /}}]\n    backendRefs", "  - backendRefs")
        .replace("spec:\n", f"spec:\n  hostnames: {hostnames}\n")
    )


class TestTcp:
    def test_http_routes_do_not_apply(self) -> None:
        made = plane(cluster("c1", *TCP, http_route("r")))
        assert (chain(made, WAYPOINT).http, backends(made, WAYPOINT)) == (False, [[(ORDERS, 1)]])

    def test_a_tcp_route_splits_connections(self) -> None:
        made = plane(cluster("c1", *TCP, tcp_route("r")))
        assert backends(made, WAYPOINT) == [[("stable", 80), ("canary", 20)]]

    @pytest.mark.parametrize(("hostnames", "applies"), [(f"[{ORDERS}]", True), ("[other.example.com]", False)])
    def test_a_tls_route_needs_the_called_name(self, hostnames: str, applies: bool) -> None:
        made = plane(cluster("c1", *TCP, tcp_route("r", kind="TLSRoute", hostnames=hostnames)))
        assert (len(backends(made, WAYPOINT)[0]) == 2) is applies

    def test_a_virtual_services_tcp_section_and_its_zero_weights(self) -> None:
        section = """
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: vs, namespace: shop}
spec:
  hosts: [orders]
  tcp:
  - match: [{port: 9}]
    route: [{destination: {host: canary}}]
  - match: [{port: 8080}]
    route: [{destination: {host: stable}, weight: 100}, {destination: {host: canary}, weight: 0}]
"""
        assert backends(plane(cluster("c1", *TCP, section)), WAYPOINT) == [[("stable", 100)]]

    def test_two_without_times_leave_the_choice_open(self) -> None:
        made = plane(cluster("c1", *APART_TCP, tcp_route("a"), tcp_vs("b")))
        assert chain(made, INFRA).routes[0].unmodelled


APART_TCP = tuple(d.replace("name: http", "name: tcp") for d in APART)


def tcp_vs(name: str) -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: shop}}
spec: {{hosts: [orders], tcp: [{{route: [{{destination: {{host: canary}}}}]}}]}}
"""
