"""HTTPRoutes as istiod converts them. Expected values: istio pilot/pkg/config/kube/gateway/conversion.go:230,977-1051
and its mesh test data; Gateway API, HTTPRouteRule."""

from fractions import Fraction
from typing import Any

import pytest

from meshsim.api import convert_httproute


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
        row = only(route(to(backend("a")), parents=[{"kind": "Service", "name": "o", "namespace": "x", "port": 80}]))
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

    def test_a_gateway_parent_is_not_the_meshs(self) -> None:
        assert convert_httproute([route(to(backend("a")), parents=[{"name": "front"}])]) == []

    def test_routes_of_one_namespace_for_one_parent_are_one(self) -> None:
        row = only(route(to(backend("a")), name="one"), route(to(backend("b")), name="two"))
        assert [r["object"] for r in row["routes"]] == ["shop/one", "shop/two"]

    def test_routes_of_two_namespaces_are_two(self) -> None:
        parents = [{"kind": "Service", "name": "orders", "namespace": "shop"}]
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
            backend("a", 1, kind="ServiceImport", group="multicluster.x-k8s.io"),
            {"name": "a", "weight": 1},
        ],
    )
    def test_a_refused_backend_answers_its_own_share_with_500(self, refused: dict[str, Any]) -> None:
        (found,) = only(route(to(backend("b", 3), refused)))["routes"]
        assert [(d["status"], d["share"]) for d in found["destinations"]] == [
            (None, Fraction(3, 4)),
            (500, Fraction(1, 4)),
        ]


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

    def test_a_grpc_method_is_a_path(self) -> None:
        doc = route(to(backend("a"), matches=[{"method": {"service": "S", "method": "M"}}]))
        (found,) = only({**doc, "kind": "GRPCRoute"})["routes"]
        assert found["match"]["path"] == {"type": "exact", "value": "/S/M", "ignore_case": False}
