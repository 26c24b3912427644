"""All pairs of clients and addresses: few runs, the same verdicts, and who may stand for whom."""

import json
from typing import Any

import numpy as np
import pytest
from strategies.asking import load
from strategies.meshes import Document, deployment, managed_objects, namespace, rollout, template

from meshsim.analysis import classes
from meshsim.analysis.likeness import Likeness
from meshsim.analysis.matrix import VERDICTS
from meshsim.model.errors import UsageError
from meshsim.model.verdict import Verdict
from meshsim.session import Session

AMBIENT = {"istio.io/dataplane-mode": "ambient", "istio.io/use-waypoint": "waypoint"}
WAYPOINT: Document = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "waypoint", "namespace": "shop"},
    "spec": {
        "gatewayClassName": "istio-waypoint",
        "listeners": [{"name": "mesh", "protocol": "HBONE", "port": 15008}],
    },
}


def service(name: str, **spec: Any) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "shop", "labels": {"solo.io/service-scope": "global"}},
        "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 80}], **spec},
    }


def app(name: str, replicas: int = 2, **labels: str) -> Document:
    return deployment(name, "shop", replicas, template(name, f"registry.example.com/{name}:1", labels))


def client(name: str, space: str = "away") -> Document:
    return deployment(name, space, 2, template(name, "curl:1"))


def document(*manifests: Document, calls: list[Document] | None = None) -> Document:
    """Two clusters with the same manifests, and clients in and out of the mesh."""
    shared = [
        namespace("shop", AMBIENT),
        WAYPOINT,
        namespace("away", {"istio.io/dataplane-mode": "ambient"}),
        namespace("out", {}),
        *(client(name) for name in ("one", "two")),
        client("three", "out"),
        *manifests,
    ]
    return {
        "apiVersion": "meshsim/v1",
        "kind": "Scenario",
        "name": "pairs",
        "dialect": "solo/1.30",
        "clusters": {name: {"network": name, "manifests": shared} for name in ("c1", "c2")},
        "calls": calls or [],
    }


def likeness(*manifests: Document) -> Likeness:
    session = load(document(*manifests))
    return Likeness(session.situation(0.0))


def alike(found: Likeness, one: str, other: str) -> bool:
    return found.key(f"{one}.shop.mesh.internal", 80) == found.key(f"{other}.shop.mesh.internal", 80)


@pytest.fixture(scope="module")
def session() -> Session:
    services = [m for name in ("cart", "search", "stock") for m in (service(name), app(name))]
    return load(document(*services, service("odd"), app("odd", replicas=3)))


class TestMatrix:
    def test_clients_are_rows_and_addresses_are_columns(self, session: Session) -> None:
        found = session.verdict_matrix(to="mesh.internal")
        assert found.addresses == tuple(f"{name}.shop.mesh.internal:80" for name in ("cart", "odd", "search", "stock"))
        # three clients of two pods, and the Services' own 2 + 2 + 2 + 3, in each of two clusters
        assert len(found.clients) == 2 * (6 + 9)
        assert found.verdicts().shape == (30, 4)

    def test_a_pair_is_one_byte_and_two_with_its_outcome(self, session: Session) -> None:
        found = session.verdict_matrix()
        assert found.verdicts().dtype == np.uint8
        assert found.outcome_numbers().dtype == np.uint16

    def test_clients_that_are_read_alike_are_run_once(self, session: Session) -> None:
        """`one` and `two` of a cluster differ in nothing that matters, `three` is outside: it cannot resolve the
        global name. Two kinds of addresses (three are alike), and in each cluster two kinds of clients."""
        found = session.verdict_matrix(to="mesh.internal")
        assert (found.kinds, found.runs) == (2, 2 * 2 * 2)

    def test_every_pair_is_what_run_says_of_it(self, session: Session) -> None:
        found = session.verdict_matrix()
        verdicts = found.verdicts()
        for row, client in enumerate(found.clients):
            for column, address in enumerate(found.addresses):
                assert [r.verdict for r in found.rows(client, address)] == [VERDICTS[verdicts[row, column]]]

    def test_the_counts_are_those_of_the_pairs(self, session: Session) -> None:
        """Each cluster's `three`, two pods, gets NXDOMAIN for four global names; everything else is answered."""
        found = session.verdict_matrix(to="mesh.internal")
        assert found.counts() == {Verdict.FAILING: 2 * 2 * 4, Verdict.UNGOVERNED: 2 * 13 * 4}

    def test_some_rows_alone_are_the_same_rows(self, session: Session) -> None:
        found = session.verdict_matrix()
        whole = found.outcome_numbers()
        for rows in (slice(3, 17), slice(None, None, 4), slice(28, 99)):
            assert (found.outcome_numbers(rows) == whole[rows]).all()

    def test_what_it_does_not_have_is_said(self, session: Session) -> None:
        found = session.verdict_matrix()
        with pytest.raises(UsageError, match="the matrix has no 'c9/away/one-0'"):
            found.rows("c9/away/one-0", found.addresses[0])

    def test_no_client_is_no_error(self, session: Session) -> None:
        found = session.verdict_matrix(frm="nobody")
        assert found.verdicts().shape == (0, len(found.addresses))
        assert found.counts() == {}

    def test_a_policy_that_names_a_client_tells_clients_apart(self) -> None:
        """`one` and `two` differ in nothing but their service account, and a policy lets `one` alone in."""
        let = {
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": {"name": "let", "namespace": "shop"},
            "spec": {
                "selector": {"matchLabels": {"app": "cart"}},
                "rules": [{"from": [{"source": {"principals": ["cluster.local/ns/away/sa/one"]}}]}],
            },
        }
        made = document(service("cart"), app("cart"), let)
        for part in made["clusters"].values():
            part["manifests"] = [m for m in json.loads(json.dumps(part["manifests"])) if m["kind"] != "Gateway"]
            for manifest in part["manifests"]:
                if manifest["kind"] == "Namespace":
                    manifest["metadata"]["labels"].pop("istio.io/use-waypoint", None)
                elif manifest["metadata"]["name"] in {"one", "two"}:
                    manifest["spec"]["template"]["spec"]["serviceAccountName"] = manifest["metadata"]["name"]
        found = load(made).verdict_matrix(frm="c1/away/", to="cart.shop.svc")
        verdicts = {name: VERDICTS[v] for name, v in zip(found.clients, found.verdicts()[:, 0], strict=True)}
        assert verdicts["c1/away/one-0"] is Verdict.UNGOVERNED
        assert verdicts["c1/away/two-0"] is Verdict.FAILING


class TestLikeness:
    def test_services_that_differ_in_names_alone_are_alike(self) -> None:
        assert alike(likeness(service("cart"), app("cart"), service("search"), app("search")), "cart", "search")

    @pytest.mark.parametrize(
        "other",
        [
            (service("search"), app("search", replicas=3)),
            (service("search"), app("search", tier="front")),
            (service("search", ports=[{"name": "tcp", "port": 80}]), app("search")),
            (service("search"), app("search"), app("search-two")),
        ],
    )
    def test_what_differs_in_more_is_not(self, other: tuple[Document, ...]) -> None:
        assert not alike(likeness(service("cart"), app("cart"), *other), "cart", "search")

    def test_an_account_and_a_budget_of_each_ones_own_change_nothing(self) -> None:
        own = [
            {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": "shop"}}
            for name in ("cart", "search")
            for api, kind in (("v1", "ServiceAccount"), ("policy/v1", "PodDisruptionBudget"))
        ]
        assert alike(likeness(service("cart"), app("cart"), service("search"), app("search"), *own), "cart", "search")

    def test_a_name_that_is_also_a_ports_name_stands_for_itself(self) -> None:
        """`tcp` and `http` would be alike with their ports' names exchanged, and one of them would not be HTTP."""
        services = [
            m for name in ("http", "tcp") for m in (service(name, ports=[{"name": name, "port": 80}]), app(name))
        ]
        assert not alike(likeness(*services), "http", "tcp")

    def test_a_name_that_a_namespace_has_too_stands_for_itself(self) -> None:
        found = likeness(service("away"), app("away"), service("out"), app("out"))
        assert not alike(found, "away", "out")

    def test_a_name_under_a_key_of_an_api_stands_for_itself(self) -> None:
        """`waypoint` and `none` as values of `istio.io/use-waypoint` mean what they say."""
        services = []
        for name in ("other", "none"):
            made = service(name)
            made["metadata"]["labels"]["istio.io/use-waypoint"] = name
            services += [made, app(name)]
        assert not alike(likeness(*services), "other", "none")

    def test_patterns_over_hosts_stop_all_standing_in(self) -> None:
        wild = {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "all", "namespace": "shop"},
            "spec": {
                "hosts": ["*.mesh.internal"],
                "http": [{"route": [{"destination": {"host": "other.example.com"}}]}],
            },
        }
        assert not alike(
            likeness(service("cart"), app("cart"), service("search"), app("search"), wild), "cart", "search"
        )

    def test_a_policy_that_names_one_tells_it_from_the_others(self) -> None:
        policy = {
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": {"name": "deny", "namespace": "shop"},
            "spec": {"selector": {"matchLabels": {"app": "cart"}}, "rules": []},
        }
        found = likeness(service("cart"), app("cart"), service("search"), app("search"), policy)
        assert not alike(found, "cart", "search")


class TestClasses:
    def test_many_rows_are_told_a_class_each(self, monkeypatch: pytest.MonkeyPatch) -> None:
        calls = [{"from": "*/*/*", "to": f"{name}.shop.mesh.internal"} for name in ("cart", "search")]
        services = [m for name in ("cart", "search") for m in (service(name), app(name))]
        session = load(document(*services, calls=calls))
        single = {(row.frm, row.to): row for row in session.verdicts()}
        monkeypatch.setattr(classes, "MOST_ROWS", 5)
        rows = load(document(*services, calls=calls)).verdicts()
        # to each Service: in each cluster those inside the mesh, and `three`
        assert len(rows) == 2 * 2 * 2
        told = {(name, row.to): row for row in rows for name in row.member_names or (row.frm,)}
        assert told.keys() == single.keys()
        for key, row in told.items():
            assert (row.verdict, row.effective, row.pods) == (
                single[key].verdict,
                single[key].effective,
                single[key].pods,
            )

    def test_few_rows_stand_for_one_client_each(self) -> None:
        calls = [{"from": "*/away/*", "to": "cart.shop.mesh.internal"}]
        rows = load(document(service("cart"), app("cart"), calls=calls)).verdicts()
        assert [row.frm for row in rows] == ["c1/away/one", "c1/away/two", "c2/away/one", "c2/away/two"]

    def test_default_calls_tell_apart_clients_that_a_policy_tells_apart(self) -> None:
        """`one` and `two` are alike but for their service account: a row each where a policy lets `one` alone in."""
        let = {
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": {"name": "let", "namespace": "shop"},
            "spec": {"rules": [{"from": [{"source": {"principals": ["cluster.local/ns/away/sa/one"]}}]}]},
        }
        made = document(
            service("web"),
            rollout(4, "registry.example.com/web:1", (25,), "httproute"),
            *managed_objects("httproute", ()),
        )
        for part in made["clusters"].values():
            part["manifests"] = [m for m in json.loads(json.dumps(part["manifests"])) if m["kind"] != "Gateway"]
            for manifest in part["manifests"]:
                if manifest["kind"] == "Namespace":
                    manifest["metadata"]["labels"].pop("istio.io/use-waypoint", None)
                elif manifest["metadata"]["name"] in {"one", "two"}:
                    manifest["spec"]["template"]["spec"]["serviceAccountName"] = manifest["metadata"]["name"]
        host = "web.shop.svc.cluster.local:80"
        before = [row for row in load(made).verdicts() if row.to == host and row.frm == "c1/away/one"]
        assert {row.member_names for row in before} == {("c1/away/one", "c1/away/two")}
        for part in made["clusters"].values():
            part["manifests"].append(let)
        after = load(made)
        rows = {row.frm: row for row in after.verdicts() if row.to == host and row.frm.startswith("c1/away")}
        assert rows["c1/away/one"].verdict is Verdict.BYPASSED
        assert rows["c1/away/two"].verdict is Verdict.FAILING
        assert all(row.members == 1 for row in rows.values())
        assert {call.caller.name for call in after.calls_in(after.situation("weight:25"))} >= rows.keys()
