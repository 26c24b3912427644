"""What ingress gateways do with a host. Expected values: istio pilot/pkg/networking/core/gateway.go
buildGatewayHTTPRouteConfig, route/route.go SortVHostRoutes, config/kube/gateway/conversion.go, and Gateway API."""

import pytest
from made_meshes import chain, cluster, namespace, plane, pods, proxy, service

BASE = (service(), service("stable"), service("canary"), pods(2), namespace())
FRONT = "gateway:c1/infra/front"
OLD, YOUNG = "2025-01-01T00:00:00Z", "2025-12-01T00:00:00Z"


def istio_gateway(hosts: str = '["*"]', more: str = "") -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: front, namespace: infra}}
spec:
  selector: {{istio: ingressgateway}}
  servers: [{{port: {{number: 80, name: http, protocol: HTTP}}, hosts: {hosts}{more}}}]
"""


def virtual_service(name: str, hosts: str, http: str, created: str = OLD, place: str = "shop") -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: {place}, creationTimestamp: '{created}'}}
spec: {{hosts: {hosts}, gateways: [infra/front], http: [{http}]}}
"""


def to(host: str, match: str = "", more: str = "") -> str:
    matched = f"match: [{match}], " if match else ""
    return f"{{{matched}{more}route: [{{destination: {{host: {host}.shop.svc.cluster.local}}}}]}}"


def names(*docs: str, host: str = "a.example.com") -> list[str]:
    made = plane(cluster("c1", *BASE, *docs))
    return [(r.object or "none").rpartition("/")[2] for r in chain(made, FRONT, host, 80).routes]


class TestIstioGateways:
    def test_the_most_exact_host_alone(self) -> None:
        docs = [
            virtual_service("all", '["*"]', to("stable")),
            virtual_service("wide", '["*.example.com"]', to("stable")),
            virtual_service("exact", "[a.example.com]", to("canary")),
        ]
        assert names(istio_gateway(), *docs) == ["exact"]
        assert names(istio_gateway(), *docs, host="b.example.com") == ["wide"]
        assert names(istio_gateway(), *docs, host="c.org") == ["all"]

    def test_hosts_are_cut_down_to_what_the_server_lets_in(self) -> None:
        docs = [
            virtual_service("wide", '["*.example.com"]', to("stable", "{uri: {prefix: /w}}")),
            virtual_service("exact", "[a.example.com]", to("canary", "{uri: {prefix: /e}}"), YOUNG),
        ]
        assert names(istio_gateway("[a.example.com]"), *docs) == ["wide", "exact"]
        assert names(istio_gateway("[b.example.com]"), *docs) == []

    def test_of_one_host_all_are_joined_and_what_takes_everything_goes_last(self) -> None:
        docs = [
            virtual_service("all", "[a.example.com]", to("stable"), OLD),
            virtual_service("path", "[a.example.com]", to("canary", "{uri: {prefix: /p}}"), YOUNG),
        ]
        assert names(istio_gateway(), *docs) == ["path", "all"]

    def test_two_without_times_leave_their_order_open(self) -> None:
        docs = [virtual_service(n, "[a.example.com]", to(n), "") for n in ("stable", "canary")]
        made = plane(cluster("c1", *BASE, istio_gateway(), *docs))
        assert "no creationTimestamp" in chain(made, FRONT, "a.example.com", 80).open_question

    @pytest.mark.parametrize(
        ("host", "open_to"), [("shop/*", True), ("infra/*", False), ("./*", False), ("*/*", True), ("*", True)]
    )
    def test_a_server_may_be_open_to_one_namespace(self, host: str, open_to: bool) -> None:
        doc = virtual_service("vs", "[a.example.com]", to("stable"))
        assert bool(names(istio_gateway(f'["{host}"]'), doc)) is open_to

    def test_gateways_of_a_match_may_be_short(self) -> None:
        doc = virtual_service("vs", "[a.example.com]", to("stable", "{gateways: [front]}"), place="infra")
        assert names(istio_gateway(), doc) == ["vs"]
        other = virtual_service("vs", "[a.example.com]", to("stable", "{gateways: [mesh]}"), place="infra")
        assert names(istio_gateway(), other) == []

    def test_a_server_that_redirects_to_https_leaves_the_answer_open(self) -> None:
        doc = virtual_service("vs", "[a.example.com]", to("stable"))
        made = plane(cluster("c1", *BASE, istio_gateway(more=", tls: {httpsRedirect: true}"), doc))
        (route,) = chain(made, FRONT, "a.example.com", 80).routes
        assert "httpsRedirect" in route.unmodelled[0]


def gateway(*listeners: str) -> str:
    return f"""
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: front, namespace: infra}}
spec: {{gatewayClassName: istio, listeners: [{", ".join(listeners)}]}}
"""


def listener(name: str = "http", more: str = "", allowed: str = "namespaces: {from: All}") -> str:
    return f"{{name: {name}, port: 80, protocol: HTTP, allowedRoutes: {{{allowed}}}{more}}}"


def http_route(name: str, rules: str, hostnames: str = "[]", place: str = "shop", parent: str = "") -> str:
    return f"""
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {name}, namespace: {place}, creationTimestamp: '{OLD}'}}
spec: {{parentRefs: [{{name: front, namespace: infra{parent}}}], hostnames: {hostnames}, rules: [{rules}]}}
"""


def rule(backend: str = "stable", more: str = "") -> str:
    return f"{{backendRefs: [{{name: {backend}, port: 8080{more}}}]}}"


class TestGatewayApi:
    def test_the_most_exact_listener_and_hostname_alone(self) -> None:
        docs = [
            gateway(listener("all"), listener("wide", ', hostname: "*.example.com"')),
            http_route("all", rule()),
            http_route("wide", rule(), '["*.example.com"]'),
            http_route("exact", rule(), "[a.example.com]"),
        ]
        assert names(*docs) == ["exact"]
        assert names(*docs, host="b.example.com") == ["wide"]
        assert names(*docs, host="c.org") == ["all"]

    @pytest.mark.parametrize(
        ("allowed", "attached"),
        [
            ("namespaces: {from: Same}", []),
            ("namespaces: {from: All}", ["r"]),
            ("namespaces: {from: All}, kinds: [{kind: GRPCRoute}]", []),
            ("namespaces: {from: All}, kinds: [{kind: HTTPRoute}]", ["r"]),
        ],
    )
    def test_a_listener_says_who_may_attach(self, allowed: str, attached: list[str]) -> None:
        assert names(gateway(listener(allowed=allowed)), http_route("r", rule())) == attached

    def test_a_service_of_another_namespace_needs_a_grant(self) -> None:
        docs = [gateway(listener()), http_route("r", rule("stable", ", namespace: shop"), place="other")]
        grant = """
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: g, namespace: shop}
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: other}]
  to: [{group: "", kind: Service}]
"""
        for more, statuses in (((), {500}), ((grant,), set[int]())):
            made = plane(cluster("c1", *BASE, *docs, *more))
            chain(made, FRONT, "a.example.com", 80)
            assert set(proxy(made, FRONT).missing_cluster_status.values()) == statuses

    def test_what_a_rule_changes_is_remembered_for_the_next_proxy(self) -> None:
        filters = """filters: [{type: URLRewrite, urlRewrite: {hostname: b, path: {type: ReplaceFullPath,
          replaceFullPath: /}}}, {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-A, value: b}],
          remove: [x-b]}}]"""
        doc = http_route("r", rule().replace("{backendRefs", f"{{{filters}, backendRefs"))
        made = plane(cluster("c1", *BASE, gateway(listener()), doc))
        (found,) = chain(made, FRONT, "a.example.com", 80).routes
        assert found.alters == {"authority", "path", "x-a", "x-b"}

    def test_a_virtual_service_changes_by_its_headers_and_rewrite(self) -> None:
        more = "rewrite: {uri: /x}, headers: {request: {set: {Host: b}, add: {X-A: b}, remove: [x-b]}}, "
        made = plane(
            cluster("c1", *BASE, istio_gateway(), virtual_service("vs", "[a.example.com]", to("stable", more=more)))
        )
        (found,) = chain(made, FRONT, "a.example.com", 80).routes
        assert found.alters == {"authority", "path", "x-a", "x-b"}
