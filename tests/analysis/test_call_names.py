"""Who calls what: names, wildcards, addresses, and the calls where a scenario states none."""

from collections import Counter

import pytest
from strategies.asking import ask, load, rows_of
from strategies.cases import CLIENT, GLOBAL, LOCAL, scenario, the, with_client, with_pods, with_rollout
from strategies.meshes import NAMESPACE, Document, client, deployment, ingress, namespace, service, template

from meshsim.analysis import calls
from meshsim.analysis.situation import Situation
from meshsim.model.errors import InputError, UsageError
from meshsim.model.verdict import Row, Verdict

AT = "step:1"


def called(document: Document) -> set[tuple[str, str]]:
    return {(row.frm, row.to) for row in ask(document, AT)}


def second_client(name: str, space: str = NAMESPACE, **labels: str) -> Document:
    return deployment(name, space, 1, template(name, "registry.example.com/client:1", labels))


class TestFrom:
    PARTS = (with_rollout(more=(second_client("reader"), *client("ambient", False, True))), with_client())

    @pytest.mark.parametrize(
        ("frm", "wanted"),
        [
            ("c1/shop/client", {"c1/shop/client"}),
            ("c2/client", {"c2/client"}),  # a unique suffix, echoed as written
            ("c1/reader", {"c1/reader"}),
            ("c1/*/client", {"c1/shop/client", "c1/visitors/client"}),
            ("*/shop/client", {"c1/shop/client", "c2/shop/client"}),
            ("*/*/reader", {"c1/shop/reader"}),
        ],
    )
    def test_a_from_names_workloads(self, frm: str, wanted: set[str]) -> None:
        assert {name for name, _ in called(scenario(*self.PARTS, calls=[(frm, GLOBAL)]))} == wanted

    def test_a_cluster_alone_is_some_client_there(self) -> None:
        (row,) = ask(scenario(*self.PARTS, calls=[("c2", GLOBAL)]), AT)
        assert (row.frm, row.verdict) == ("c2", Verdict.APPLIED)

    @pytest.mark.parametrize("frm", ["c1/client", "c1/shop/nobody", "c9/shop/client", "c9", "c1/shop/nobody*"])
    def test_a_from_that_names_nobody_or_several_is_refused(self, frm: str) -> None:
        with pytest.raises((InputError, UsageError)):
            ask(scenario(*self.PARTS, calls=[(frm, GLOBAL)]), AT)

    def test_external_is_outside_every_mesh(self) -> None:
        rows = ask(
            scenario(*self.PARTS, calls=[("external:c1", GLOBAL), ("external:c1", "pod:c1/shop/web/0:8080")]), AT
        )
        assert [[e.code for e in row.errors] for row in rows] == [["nxdomain"], []]
        assert rows[1].verdict is Verdict.BYPASSED


class TestTo:
    @pytest.mark.parametrize(
        "to",
        ["web", "web:8080", "web.shop:8080", "web.shop", "web.shop.svc:8080", LOCAL, GLOBAL, GLOBAL.partition(":")[0]],
    )
    def test_every_spelling_of_the_service_is_the_same_call(self, to: str) -> None:
        (row,) = ask(scenario(with_rollout(), calls=[(CLIENT, to)]), AT)
        assert (row.to, row.verdict) == (to, Verdict.APPLIED)

    def test_a_short_name_is_completed_in_the_clients_namespace(self) -> None:
        """`web` from `visitors` is web.visitors, which nobody has."""
        part = with_rollout(more=tuple(client("ambient", False, True)))
        rows = ask(
            scenario(part, calls=[("c1/visitors/client", "web:8080"), ("c1/visitors/client", "web.shop:8080")]), AT
        )
        assert [row.verdict for row in rows] == [Verdict.FAILING, Verdict.APPLIED]

    def test_a_port_must_be_said_where_there_are_several(self) -> None:
        part = with_rollout()
        the(part, "Service", "web")["spec"]["ports"].append({"name": "http-admin", "port": 9090})
        with pytest.raises(InputError, match="needs a port"):
            ask(scenario(part, calls=[(CLIENT, "web")]), AT)

    def test_pods_count_from_zero_oldest_replicaset_first(self) -> None:
        # 4 stable pods are 0 to 3; ceil(4*25/100) = 1 canary pod is number 4
        calls = [(CLIENT, f"pod:c1/shop/web/{n}:8080") for n in range(5)]
        rows = ask(scenario(with_rollout(), calls=calls), AT)
        assert [row.effective.canary for row in rows if row.effective] == [0, 0, 0, 0, 1]
        assert len({next(iter(row.pods)) for row in rows}) == 5
        assert {row.reasons for row in rows} == {("MS102",)}

    @pytest.mark.parametrize("to", ["pod:c1/shop/web/5:8080", "pod:c1/shop/web/0", "pod:c1/shop/web:80", "pod:c9/shop/web/0:80", "10.1.2.3", ":80", "web:http"])  # fmt: skip  # noqa: E501
    def test_an_address_that_means_nothing_is_refused(self, to: str) -> None:
        with pytest.raises(InputError):
            ask(scenario(with_rollout(), calls=[(CLIENT, to)]), AT)


class TestDefaults:
    def rows(self, *parts: Document) -> list[Row]:
        return rows_of(load(scenario(*parts)).answer(at=AT))

    def test_clients_that_nothing_distinguishes_are_one_row(self) -> None:
        rows = self.rows(with_rollout(more=(second_client("reader"), second_client("writer"))))
        assert {row.to for row in rows} == {LOCAL, GLOBAL}
        for row in rows:
            assert set(row.member_names) == {"c1/shop/client", "c1/shop/reader", "c1/shop/writer"}
            assert row.frm in row.member_names
        assert len(rows) == 2

    def test_clients_outside_the_mesh_are_a_class_of_their_own(self) -> None:
        outside = second_client("batch", **{"istio.io/dataplane-mode": "none"})
        rows = self.rows(with_rollout(more=(outside,)))
        found = {(row.frm, row.to): row.verdict for row in rows}
        assert found == {
            ("c1/shop/batch", LOCAL): Verdict.BYPASSED,
            ("c1/shop/batch", GLOBAL): Verdict.FAILING,
            ("c1/shop/client", LOCAL): Verdict.APPLIED,
            ("c1/shop/client", GLOBAL): Verdict.APPLIED,
        }

    def test_every_cluster_that_knows_a_name_has_its_clients(self) -> None:
        """c2 has no Service `web`: only the global name exists there."""
        assert {(row.frm, row.to) for row in self.rows(with_rollout(), with_client())} == {
            (CLIENT, LOCAL),
            (CLIENT, GLOBAL),
            ("c2/shop/client", GLOBAL),
        }

    def test_the_services_own_pods_and_mesh_components_are_no_clients(self) -> None:
        system = namespace("istio-system", {})
        istiod = second_client("istiod", "istio-system")
        argo = second_client("argo-rollouts", "argo-rollouts")
        argo["spec"]["template"]["spec"]["containers"][0]["image"] = "quay.io/argoproj/argo-rollouts:v1.9.0"
        rows = self.rows(with_rollout(more=(system, istiod, argo)), with_pods(2))
        members = {member for row in rows for member in row.member_names}
        assert members == {"c1/shop/client", "c2/shop/client"}

    def test_an_ingress_gateway_with_a_route_to_the_service_calls(self) -> None:
        rows = self.rows(with_rollout(more=tuple(ingress("hostname"))))
        assert ("ingress:c1/shop/edge", "shop.example.com:80") in {(row.frm, row.to) for row in rows}

    def test_an_ingress_gateway_with_a_route_to_something_else_does_not(self) -> None:
        cart = service("cart", {}, {}, "http")
        cart["spec"]["selector"] = {"app": "cart"}
        edge = ingress("service")
        edge[1]["spec"]["rules"][0]["backendRefs"][0]["name"] = "cart"
        rows = self.rows(with_rollout(more=(cart, *edge)))
        assert not [row.frm for row in rows if row.frm.startswith("ingress:")]


def test_clients_are_grouped_once_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many names the governed Services have: with hundreds of workloads, grouping them is the work."""
    situation = load(scenario(with_rollout(), with_client())).situation(AT)
    grouped: Counter[str] = Counter()
    group = calls.client_workloads

    def counted(asked: Situation, cluster: str) -> list[tuple[str, str]]:
        grouped[cluster] += 1
        return group(asked, cluster)

    monkeypatch.setattr(calls, "client_workloads", counted)
    found = calls.default_calls(situation)
    assert {call.to for call in found} >= {LOCAL, GLOBAL}
    assert grouped == dict.fromkeys(situation.mesh.clusters, 1)
