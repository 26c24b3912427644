"""HTTPRoutes as istiod converts them. Expected values: istio pilot/pkg/config/kube/gateway/conversion.go:230,977-1051
and its mesh test data; Gateway API, HTTPRouteRule."""

from fractions import Fraction
from typing import Any

import pytest

from meshsim.api import convert_httproute
from meshsim.model.errors import InputError


def route(*rules: dict[str, Any], name: str = "r", namespace: str = "shop", **more: Any) -> dict[str, Any]:
    parents = more.pop("parents", [{"group": "", "kind": "Service", "name": "orders"}])
    created = more.pop("created", None)
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {
            "name": name,
            "namespace": namespace,
            **({"creationTimestamp": created} if created else {}),
        },
        "spec": {"parentRefs": parents, "rules": list(rules), **more},
    }


def to(*backends: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"backendRefs": list(backends), **more}


def backend(name: str, weight: int | None = None, **more: Any) -> dict[str, Any]:
    return {"name": name, "port": 80, **({} if weight is None else {"weight": weight}), **more}


def service(name: str) -> dict[str, Any]:
    return {"kind": "Service", "metadata": {"name": name, "namespace": "shop"}}


ORDERS_A = "a.shop.svc.cluster.local"


def only(*docs: dict[str, Any]) -> dict[str, Any]:
    (row,) = convert_httproute(docs)
    return row


def shares(row: dict[str, Any]) -> list[tuple[str, Fraction]]:
    return [(d["host"].partition(".")[0], d["share"]) for d in row["routes"][0]["destinations"]]


def first_order(*docs: dict[str, Any]) -> list[str]:
    return [r["rule"] for r in only(*docs)["routes"]]


class TestParents:
    def test_a_service_gives_its_host_and_hostnames_are_ignored(self) -> None:
        row = only(route(to(backend("a")), hostnames=["example.com"]))
        assert (row["hosts"], row["port"]) == (["orders.shop.svc.cluster.local"], None)

    def test_a_parents_namespace_and_port(self) -> None:
        parent = {"group": "", "kind": "Service", "name": "o", "namespace": "x", "port": 80}
        row = only(route(to(backend("a")), parents=[parent]))
        assert (row["hosts"], row["port"]) == (["o.x.svc.cluster.local"], 80)

    def test_a_service_entry_gives_a_row_for_each_host(self) -> None:
        entry = {
            "apiVersion": "networking.istio.io/v1",
            "kind": "ServiceEntry",
            "metadata": {"name": "e", "namespace": "shop"},
            "spec": {"hosts": ["a.example.com", "b.example.com"]},
        }
        parents = [{"group": "networking.istio.io", "kind": "ServiceEntry", "name": "e"}]
        rows = convert_httproute([route(to(backend("a")), parents=parents), entry])
        assert [row["hosts"] for row in rows] == [["a.example.com"], ["b.example.com"]]

    def test_a_service_needs_its_empty_group(self) -> None:
        """The API server fills in the Gateway API's, which istiod passes over (references.go NormalizeReference)."""
        assert convert_httproute(route(to(backend("a")), parents=[{"kind": "Service", "name": "orders"}])) == []

    def test_a_gateway_has_a_row_for_each_hostname(self) -> None:
        doc = route(to(backend("a")), parents=[{"name": "front"}], hostnames=["a.com", "b.com"])
        rows = convert_httproute(doc)
        assert [(r["gateways"], r["hosts"]) for r in rows] == [(["shop/front"], ["a.com"]), (["shop/front"], ["b.com"])]

    def test_a_parent_that_the_documents_lack_gives_none(self) -> None:
        docs = [route(to(backend("a"))), service("a")]
        assert convert_httproute(docs) == []
        assert len(convert_httproute([*docs, service("orders")])) == 1

    def test_routes_of_connections_are_converted_too(self) -> None:
        tcp = {**route(to(backend("a", 0))), "kind": "TCPRoute"}
        nowhere = {"host": "internal.cluster.local", "subset": "zero-weight", "port": {"number": 65535}}
        assert only(tcp)["tcp"] == [{"route": [{"destination": nowhere}]}]
        tls = {**route(to(backend("a"))), "kind": "TLSRoute"}
        assert only(tls)["tls"][0]["match"] == [{"sniHosts": ["orders.shop.svc.cluster.local"]}]

    def test_routes_of_one_namespace_for_one_parent_are_one(self) -> None:
        row = only(route(to(backend("a")), name="one"), route(to(backend("b")), name="two"))
        assert [r["object"] for r in row["routes"]] == ["shop/one", "shop/two"]

    def test_routes_of_two_namespaces_are_two(self) -> None:
        parents = [{"group": "", "kind": "Service", "name": "orders", "namespace": "shop"}]
        docs = [route(to(backend("a"))), route(to(backend("b")), namespace="client", parents=parents)]
        assert [row["namespace"] for row in convert_httproute(docs)] == ["shop", "client"]


class TestWeights:
    @pytest.mark.parametrize(
        ("weights", "expected"),
        [
            ((None, None), ("1/2", "1/2")),
            ((None, 3), ("1/4", "3/4")),
            ((30, 30), ("1/2", "1/2")),
            ((95, 5), ("19/20", "1/20")),
            ((1, 2), ("1/3", "2/3")),
        ],
    )
    def test_a_share_is_the_weight_over_the_sum(self, weights: tuple[Any, Any], expected: tuple[str, str]) -> None:
        found = shares(only(route(to(*(backend(n, w) for n, w in zip("ab", weights, strict=True))))))
        assert found == [("a", Fraction(expected[0])), ("b", Fraction(expected[1]))]

    def test_zero_weights_are_dropped_and_one_that_is_left_takes_all(self) -> None:
        assert shares(only(route(to(backend("a", 7), backend("b", 0))))) == [("a", Fraction(1))]

    @pytest.mark.parametrize("rule", [to(backend("a", 0), backend("b", 0)), to(), {}])
    def test_nothing_left_answers_500(self, rule: dict[str, Any]) -> None:
        (found,) = only(route(rule))["routes"]
        assert (found["destinations"], found["status"]) == ([], 500)


class TestBackends:
    def test_a_namespace_needs_no_grant_in_the_mesh(self) -> None:
        (found,) = only(route(to(backend("a", namespace="other"))))["routes"]
        assert found["destinations"][0]["host"] == "a.other.svc.cluster.local"

    def test_a_hostname_of_istios_group_is_itself(self) -> None:
        named = backend("a.mesh.internal", kind="Hostname", group="networking.istio.io")
        (found,) = only(route(to(named)))["routes"]
        assert (found["destinations"][0]["host"], found["destinations"][0]["status"]) == ("a.mesh.internal", None)

    @pytest.mark.parametrize(
        "refused",
        [
            backend("a", 1, kind="Hostname"),
            backend("a", 1, kind="GcsBucket", group="example.com"),
            backend("a", 1, group="core"),
            {"name": "a", "weight": 1, "kind": "InferencePool", "group": "inference.networking.k8s.io"},
        ],
    )
    def test_a_refused_backend_answers_its_own_share_with_500(self, refused: dict[str, Any]) -> None:
        (found,) = only(route(to(backend("b", 3), refused)))["routes"]
        assert [(d["status"], d["share"]) for d in found["destinations"]] == [
            (None, Fraction(3, 4)),
            (500, Fraction(1, 4)),
        ]

    def test_a_service_import_is_the_service(self) -> None:
        named = backend("a", kind="ServiceImport", group="multicluster.x-k8s.io")
        (found,) = only(route(to(named)))["routes"]
        assert (found["destinations"][0]["host"], found["destinations"][0]["status"]) == (ORDERS_A, None)

    def test_one_that_the_documents_lack_answers_500(self) -> None:
        docs = [route(to(backend("a"), backend("b"))), service("orders"), service("a")]
        assert [d["status"] for d in only(*docs)["routes"][0]["destinations"]] == [None, 500]
        assert [d["status"] for d in only(*docs[:2])["routes"][0]["destinations"]] == [None, None]

    def test_a_gateways_needs_a_grant_in_its_namespace(self) -> None:
        doc = route(to(backend("a", namespace="other")), parents=[{"name": "front"}])
        grant = {
            "kind": "ReferenceGrant",
            "metadata": {"name": "g", "namespace": "other"},
            "spec": {
                "from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "shop"}],
                "to": [{"group": "", "kind": "Service"}],
            },
        }
        assert [r["routes"][0]["destinations"][0]["status"] for r in (only(doc), only(doc, grant))] == [500, None]
        grant["spec"] = {**grant["spec"], "to": [{"group": "", "kind": "Service", "name": "b"}]}  # type: ignore[dict-item]
        assert only(doc, grant)["http"][0]["route"] == [{"destination": {}}]


class TestRefusals:
    """One rule that istiod cannot read takes the whole route along (route_collections.go computeRoute)."""

    @pytest.mark.parametrize(
        "broken",
        [
            to({"name": "a"}),
            to(backend("a.shop")),
            to(backend("a.com", kind="Hostname", group="networking.istio.io", namespace="shop")),
            to(
                backend("a"),
                filters=[{"type": "ExtensionRef", "extensionRef": {"kind": "Y", "name": "z"}}],
            ),
            to(backend("a", filters=[{"type": "URLRewrite", "urlRewrite": {"hostname": "b"}}])),
            to(backend("a"), matches=[{"path": {"type": "Glob", "value": "/a"}}]),
            to(backend("a"), matches=[{"headers": [{"name": "x", "value": "y", "type": "Glob"}]}]),
        ],
    )
    def test_the_other_rules_go_with_it(self, broken: dict[str, Any]) -> None:
        assert convert_httproute(route(to(backend("b")), broken)) == []

    def test_a_backend_of_weight_zero_is_not_looked_at(self) -> None:
        assert shares(only(route(to(backend("a"), {"name": "b.shop", "weight": 0})))) == [("a", Fraction(1))]

    def test_a_grpc_match_needs_a_method_or_a_service(self) -> None:
        doc = route(to(backend("a"), matches=[{"method": {"type": "Exact"}}]))
        assert convert_httproute({**doc, "kind": "GRPCRoute"}) == []


class TestVirtualServices:
    def entry(self, rule: dict[str, Any], **more: Any) -> dict[str, Any]:
        (found,) = only(route(rule, **more))["http"]
        return dict(found)

    def test_the_only_weight_is_left_out(self) -> None:
        assert self.entry(to(backend("a", 7), backend("b", 0)))["route"] == [
            {"destination": {"host": ORDERS_A, "port": {"number": 80}}}
        ]

    def test_a_parents_port_is_a_match(self) -> None:
        parents = [{"group": "", "kind": "Service", "name": "orders", "port": 80}]
        assert self.entry(to(backend("a")), parents=parents)["match"] == [{"port": 80}]

    def test_nothing_left_answers_by_itself_and_a_redirect_does_not(self) -> None:
        assert self.entry(to())["directResponse"] == {"status": 500}
        redirect = {"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}
        made = self.entry(to(filters=[redirect]))
        assert made["redirect"] == {"scheme": "https", "redirectCode": 301, "derivePort": "FROM_PROTOCOL_DEFAULT"}
        assert "directResponse" not in made
        assert only(route(to(filters=[redirect])))["routes"][0]["status"] is None

    def test_mirrors_carry_their_share(self) -> None:
        mirror = {"backendRef": backend("b"), "fraction": {"numerator": 4, "denominator": 8}}
        made = self.entry(to(backend("a"), filters=[{"type": "RequestMirror", "requestMirror": mirror}]))
        destination = {"host": "b.shop.svc.cluster.local", "port": {"number": 80}}
        assert made["mirrors"] == [{"destination": destination, "percentage": {"value": 50}}]

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ({"type": "ReplacePrefixMatch", "replacePrefixMatch": "/b/"}, {"uri": "/b"}),
            ({"type": "ReplacePrefixMatch", "replacePrefixMatch": ""}, {"uri": "/"}),
            (
                {"type": "ReplaceFullPath", "replaceFullPath": "/b"},
                {"uriRegexRewrite": {"match": "/.*", "rewrite": "/b"}},
            ),
        ],
    )
    def test_a_rewritten_path(self, path: dict[str, str], expected: dict[str, Any]) -> None:
        filters = [{"type": "URLRewrite", "urlRewrite": {"path": path}}]
        assert self.entry(to(backend("a"), filters=filters))["rewrite"] == expected

    def test_headers_by_lower_case_names_of_which_the_first_counts(self) -> None:
        changes = {"set": [{"name": "X-A", "value": "1"}, {"name": "x-a", "value": "2"}], "remove": ["x-b"]}
        filters = [{"type": "RequestHeaderModifier", "requestHeaderModifier": changes}]
        made = self.entry(to(backend("a"), filters=filters))
        assert made["headers"] == {"request": {"set": {"x-a": "1"}, "remove": ["x-b"]}}

    @pytest.mark.parametrize(
        ("limits", "expected"),
        [
            ({"timeouts": {"request": "2ms", "backendRequest": "1ms"}}, {"timeout": "0.001s"}),
            (
                {"retry": {"attempts": 3, "codes": [503]}, "timeouts": {"backendRequest": "1s"}},
                {
                    "retries": {
                        "attempts": 3,
                        "retryOn": "connect-failure,refused-stream,unavailable,cancelled,503",
                        "perTryTimeout": "1s",
                    }
                },
            ),
            ({"retry": {"attempts": 0}}, {}),
            ({"timeouts": {"request": "0s"}}, {}),
        ],
    )
    def test_timeouts_and_retries(self, limits: dict[str, Any], expected: dict[str, Any]) -> None:
        made = self.entry(to(backend("a"), **limits))
        assert {k: v for k, v in made.items() if k in {"timeout", "retries"}} == expected


def listener(name: str, hostname: str = "", **more: Any) -> dict[str, Any]:
    return {"name": name, "port": 80, "protocol": "HTTP", **({"hostname": hostname} if hostname else {}), **more}


def front(*listeners: dict[str, Any], namespace: str = "shop") -> dict[str, Any]:
    return {"kind": "Gateway", "metadata": {"name": "front", "namespace": namespace}, "spec": {"listeners": listeners}}


class TestListeners:
    def attached(self, *docs: dict[str, Any]) -> list[tuple[str, str]]:
        return [(row["listener"], row["hosts"][0]) for row in convert_httproute(docs)]

    def test_a_hostname_belongs_to_the_most_exact_listener(self) -> None:
        gateway = front(listener("all"), listener("wide", "*.b.com"), listener("exact", "a.b.com"))
        doc = route(to(backend("a")), parents=[{"name": "front"}], hostnames=["a.b.com", "c.b.com", "d.com"])
        assert self.attached(gateway, doc) == [
            ("all", "d.com"),
            ("wide", "c.b.com"),
            ("exact", "a.b.com"),
            ("exact", "c.b.com"),
            ("exact", "d.com"),
        ]

    def test_section_and_port_of_the_parent_choose(self) -> None:
        gateway = front(listener("one"), listener("two", port=81))
        for parent, expected in (({"sectionName": "two"}, "two"), ({"port": 80}, "one")):
            doc = route(to(backend("a")), parents=[{"name": "front", **parent}])
            assert self.attached(gateway, doc) == [(expected, "*")]

    @pytest.mark.parametrize(
        ("allowed", "attaches"),
        [
            ({}, False),
            ({"namespaces": {"from": "All"}}, True),
            ({"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}}, True),
            ({"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "b"}}}}, False),
            ({"namespaces": {"from": "All"}, "kinds": [{"kind": "GRPCRoute"}]}, False),
        ],
    )
    def test_a_listener_says_who_may_attach(self, allowed: dict[str, Any], attaches: bool) -> None:
        gateway = front(listener("one", allowedRoutes=allowed), namespace="infra")
        space = {"kind": "Namespace", "metadata": {"name": "shop", "labels": {"team": "a"}}}
        doc = route(to(backend("a")), parents=[{"name": "front", "namespace": "infra"}])
        assert bool(self.attached(gateway, space, doc)) is attaches

    def test_routes_of_all_namespaces_for_a_hostname_are_one(self) -> None:
        gateway = front(listener("one", allowedRoutes={"namespaces": {"from": "All"}}), namespace="infra")
        parents = [{"name": "front", "namespace": "infra"}]
        docs = [route(to(backend("a")), namespace=n, parents=parents) for n in ("b", "a")]
        row = only(gateway, *docs)
        assert (row["namespace"], [r["object"] for r in row["routes"]]) == ("a", ["a/r", "b/r"])


def path(kind: str, value: str, **more: Any) -> dict[str, Any]:
    return {"path": {"type": kind, "value": value}, **more}


class TestOrder:
    def test_exact_then_longest_prefix_then_regular_expression(self) -> None:
        rules = [
            to(backend("a"), name="regex", matches=[path("RegularExpression", "/items/[0-9]+")]),
            to(backend("a"), name="short", matches=[path("PathPrefix", "/i")]),
            to(backend("a"), name="long", matches=[path("PathPrefix", "/items")]),
            to(backend("a"), name="exact", matches=[path("Exact", "/a")]),
            to(backend("a"), name="all"),
        ]
        assert first_order(route(*rules)) == ["exact", "long", "short", "all", "regex"]

    def test_then_method_then_headers_then_query(self) -> None:
        def headers(n: int) -> list[dict[str, str]]:
            return [{"name": f"h{i}", "value": "v"} for i in range(n)]

        rules = [
            to(backend("a"), name="plain", matches=[path("PathPrefix", "/x")]),
            to(backend("a"), name="query", matches=[path("PathPrefix", "/x", queryParams=headers(3))]),
            to(backend("a"), name="one-header", matches=[path("PathPrefix", "/x", headers=headers(1))]),
            to(backend("a"), name="two-headers", matches=[path("PathPrefix", "/x", headers=headers(2))]),
            to(backend("a"), name="method", matches=[path("PathPrefix", "/x", method="GET")]),
        ]
        assert first_order(route(*rules)) == ["method", "two-headers", "one-header", "query", "plain"]

    def test_then_the_older_object_then_the_name(self) -> None:
        young = route(to(backend("a"), name="young"), name="a", created="2026-02-01T00:00:00Z")
        old = route(to(backend("b"), name="old"), name="b", created="2026-01-01T00:00:00Z")
        assert first_order(young, old) == ["old", "young"]
        nameless = [route(to(backend("a"), name=n), name=n, created="2026-01-01T00:00:00Z") for n in ("z", "y")]
        assert first_order(*nameless) == ["y", "z"]

    def test_rules_of_equal_matches_keep_their_order(self) -> None:
        assert first_order(route(to(backend("a"), name="one"), to(backend("b"), name="two"))) == ["one", "two"]

    def test_a_rule_without_a_name_is_known_by_its_index(self) -> None:
        assert first_order(route(to(backend("a")), to(backend("b")))) == ["0", "1"]

    def test_a_trailing_slash_of_a_prefix_does_not_count(self) -> None:
        rules = [
            to(backend("a"), name="slash", matches=[path("PathPrefix", "/abc/")]),
            to(
                backend("a"),
                name="headers",
                matches=[path("PathPrefix", "/abc", headers=[{"name": "h", "value": "v"}])],
            ),
        ]
        assert first_order(route(*rules)) == ["headers", "slash"]

    @pytest.mark.parametrize(
        ("method", "expected"),
        [
            ({"service": "S"}, ("prefix", "/S/")),
            ({"method": "M"}, ("regex", "/[^/]+/M")),
            ({"service": "S", "type": "RegularExpression"}, ("regex", "/S/.+")),
            ({"method": "M", "type": "RegularExpression"}, ("regex", "/[^/]+/M")),
        ],
    )
    def test_parts_of_a_grpc_method(self, method: dict[str, str], expected: tuple[str, str]) -> None:
        doc = route(to(backend("a"), matches=[{"method": method}]))
        (found,) = only({**doc, "kind": "GRPCRoute"})["routes"]
        assert (found["match"]["path"]["type"], found["match"]["path"]["value"]) == expected

    def test_a_grpc_rule_without_a_method_comes_last_and_one_without_matches_after_it(self) -> None:
        rules = [
            to(backend("a"), name="all"),
            to(backend("a"), name="headers", matches=[{"headers": [{"name": "h", "value": "v"}]}]),
            to(backend("a"), name="method", matches=[{"method": {"method": "M"}}]),
        ]
        assert first_order({**route(*rules), "kind": "GRPCRoute"}) == ["method", "headers", "all"]

    def test_http_and_grpc_routes_of_one_host_are_sorted_together(self) -> None:
        http = route(to(backend("a"), name="http", matches=[path("PathPrefix", "/api")]), name="http")
        grpc = route(to(backend("a"), name="grpc", matches=[{"method": {"service": "foo.Foo"}}]), name="grpc")
        assert first_order(http, {**grpc, "kind": "GRPCRoute"}) == ["grpc", "http"]

    def test_a_grpc_method_is_a_path(self) -> None:
        doc = route(to(backend("a"), matches=[{"method": {"service": "S", "method": "M"}}]))
        (found,) = only({**doc, "kind": "GRPCRoute"})["routes"]
        assert found["match"]["path"] == {"type": "exact", "value": "/S/M", "ignore_case": False}


class TestShapes:
    @pytest.mark.parametrize(
        ("kind", "rule", "said"),
        [
            ("GRPCRoute", {"matches": [{"method": "GET"}]}, "matches[0].method must be a mapping, not the text 'GET'"),
            (
                "HTTPRoute",
                {"filters": [{"urlRewrite": 5}]},
                "filters[0].urlRewrite must be a mapping, not the number 5",
            ),
            ("HTTPRoute", {"retry": 3}, "retry must be a mapping, not the number 3"),
            ("HTTPRoute", {"backendRefs": [{"name": "a", "filters": ["x"]}]}, "backendRefs[0].filters[0] must be"),
            ("TCPRoute", {"backendRefs": "a"}, "backendRefs must be a list, not the text 'a'"),
            ("TLSRoute", {"backendRefs": [{"name": 7}]}, "backendRefs[0].name"),
        ],
    )
    def test_a_field_of_another_type_is_refused_in_a_sentence(self, kind: str, rule: Any, said: str) -> None:
        with pytest.raises(InputError) as caught:
            convert_httproute({**route(rule), "kind": kind})
        assert f"{kind} r: spec.rules[0].{said}" in str(caught.value)
