"""Who runs an ingress gateway, links that never came up, drained clusters, and a segment's names, from the manifests to
the verdict. 4 replicas at 25 %: 4 stable and 1 canary pod (argo-rollouts utils/replicaset/canary.go)."""

from fractions import Fraction as F
from typing import Any

import pytest
from strategies.asking import ask
from strategies.cases import GLOBAL, LOCAL, scenario, the, with_client, with_pods, with_rollout
from strategies.meshes import NAMESPACE, SERVICE, Document

from meshsim.model.verdict import Row, Verdict

AT = "step:1"
REMOTE = "c2/shop/client"
INGRESS = "ingress:c1/shop/front"
ANY = {"networking.istio.io/traffic-distribution": "Any"}
DRAINING = "solo.io/draining-weight"


def only(document: Document) -> Row:
    (row,) = ask(document, AT)
    return row


def shares(row: Row) -> tuple[F, F, F, F]:
    """stable, canary, other, error."""
    assert row.effective is not None
    return row.effective.stable, row.effective.canary, row.effective.other, row.effective.error


def gateway(name: str, namespace: str, kind: str, **metadata: Any) -> Document:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": {"gatewayClassName": kind, "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
    }


def front(kind: str, backend: str = GLOBAL.partition(":")[0]) -> tuple[Document, Document]:
    """An ingress Gateway of a class, with a route to the global name."""
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "front", "namespace": NAMESPACE},
        "spec": {
            "parentRefs": [{"name": "front"}],
            "rules": [
                {"backendRefs": [{"group": "networking.istio.io", "kind": "Hostname", "name": backend, "port": 8080}]}
            ],
        },
    }
    return gateway("front", NAMESPACE, kind), route


def controlled(kind: str, controller: str) -> Document:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GatewayClass",
        "metadata": {"name": kind},
        "spec": {"controllerName": controller},
    }


def through(kind: str, *more: Document, **fields: Any) -> Row:
    part = with_rollout(more=(*front(kind), *more), **fields)
    return only(scenario(part, calls=[(INGRESS, "web.example.com:80")]))


class TestWhoRunsTheGateway:
    """Solo docs, failover: components (Istio ingress, kgateway); tjorourke/solo-labs (agentgateway)."""

    @pytest.mark.parametrize("kind", ["istio", "agentgateway", "enterprise-agentgateway"])
    def test_istio_and_agentgateway_go_to_the_pods_unless_the_label_says_otherwise(self, kind: str) -> None:
        assert through(kind).reasons == ("MS205",)
        assert through(kind, labels={"istio.io/ingress-use-waypoint": "true"}).verdict is Verdict.APPLIED

    @pytest.mark.parametrize("kind", ["kgateway", "enterprise-kgateway", "gloo-gateway"])
    def test_kgateway_calls_like_a_client_and_needs_no_label(self, kind: str) -> None:
        row = through(kind)
        assert row.verdict is Verdict.APPLIED
        assert row.hops == ("gateway:c1/shop/front", "ztunnel:c1", "waypoint:c1/shop/waypoint", "ztunnel:c1")

    def test_without_a_waypoint_kgateways_ztunnel_picks_the_pod(self) -> None:
        row = through("kgateway", bound=False)
        assert (row.verdict, row.reasons) == (Verdict.BYPASSED, ("MS202",))
        assert shares(row) == (F(4, 5), F(1, 5), 0, 0)
        assert row.granularity == "connection"

    def test_the_gatewayclass_decides_where_it_is_given(self) -> None:
        assert through("edge", controlled("edge", "kgateway.dev/kgateway")).verdict is Verdict.APPLIED
        assert through("edge", controlled("edge", "istio.io/gateway-controller")).reasons == ("MS205",)

    @pytest.mark.parametrize("kind", ["nginx", "eg", "istio-ingress"])
    def test_of_an_unknown_one_nothing_is_said(self, kind: str) -> None:
        row = through(kind, labels={"istio.io/ingress-use-waypoint": "true"})
        assert (row.verdict, row.reasons, row.rollout) == (Verdict.UNDETERMINED, ("MS901",), "c1/shop/web")


class TestAgentgatewayAndRemoteEntries:
    """tjorourke/solo-labs, agentgw-multi-cluster-kind: 503 up to 2.3.3, fixed afterwards."""

    def row(self, image: str) -> Row:
        away = with_client()
        away["manifests"] += front("enterprise-agentgateway")
        if image:
            controller = the(with_pods(1), "Deployment", SERVICE)
            controller["metadata"] = {"name": "agentgateway", "namespace": "agentgateway-system"}
            controller["spec"]["template"]["spec"]["containers"][0]["image"] = image
            away["manifests"].append(controller)
        home = with_rollout(labels={"istio.io/ingress-use-waypoint": "true"})
        return only(scenario(home, away, calls=[("ingress:c2/shop/front", "web.example.com:80")]))

    def test_an_old_one_has_no_endpoint(self) -> None:
        row = self.row("example.com/enterprise-agentgateway:2.3.3")
        assert row.verdict is Verdict.FAILING
        assert [(e.code, e.share) for e in row.errors] == [("503", 1)]
        assert "MS307" in row.reasons

    def test_a_later_one_crosses(self) -> None:
        assert self.row("example.com/enterprise-agentgateway:v2.4.0-beta.1").verdict is Verdict.APPLIED

    def test_without_a_version_it_is_open(self) -> None:
        assert (self.row("").verdict, self.row("").reasons) == (Verdict.UNDETERMINED, ("MS902",))


def eastwest(weight: str, name: str = "istio-eastwest", kind: str = "istio-eastwest", **labels: str) -> Document:
    return gateway(name, "istio-eastwest", kind, annotations={DRAINING: weight}, labels=labels)


class TestDraining:
    """Solo docs, operations: drain. 5 pods here and 5 there under `Any`: half of the connections each."""

    def row(self, here: str = "", there: str = "", *, pods: bool = True, **more: Any) -> Row:
        home = with_rollout(annotations=ANY, more=(eastwest(here),) if here else ())
        away = with_pods(5, annotations=ANY) if pods else with_client()
        if there:
            away["manifests"].append(eastwest(there, "istio-remote-peer-c1", "istio-remote"))
        return only(scenario(home, away, calls=[(REMOTE, GLOBAL)], **more))

    @pytest.mark.parametrize(("here", "there"), [("100", ""), ("", "100"), ("30", "100")])
    def test_firmly_on_either_end_of_the_link(self, here: str, there: str) -> None:
        row = self.row(here, there)
        assert (row.verdict, shares(row)) == (Verdict.BYPASSED, (0, 0, 1, 0))
        assert set(row.reasons) == {"MS203", "MS503"}

    def test_softly_it_keeps_the_rest_of_its_share(self) -> None:
        row = self.row("60")
        assert (row.verdict, row.applied_share) == (Verdict.PARTIAL, F(1, 5))  # 2/5 of 1/2
        assert shares(row) == (F(3, 20), F(1, 20), F(4, 5), 0)
        assert "soft_drain" in " ".join(a.question for a in row.assumptions)

    def test_the_only_cluster_with_pods_takes_all_unless_it_is_drained_wholly(self) -> None:
        assert self.row("99", pods=False).verdict is Verdict.APPLIED
        row = self.row("100", pods=False)
        assert [(e.code, e.share) for e in row.errors] == [("reset", 1)]
        assert row.reasons == ("MS307", "MS503")

    @pytest.mark.parametrize("weight", ["0", "no", "-5"])
    def test_what_is_no_weight_drains_nothing(self, weight: str) -> None:
        assert self.row(weight).applied_share == F(1, 2)

    def test_it_is_new_in_1_28(self) -> None:
        assert self.row("100", dialect="solo/1.27").applied_share == F(1, 2)

    def test_own_clients_are_not_concerned(self) -> None:
        home = with_rollout(more=(eastwest("100"),))
        assert only(scenario(home, calls=[("c1/shop/client", GLOBAL)])).verdict is Verdict.APPLIED


class TestLinks:
    def row(self, *conditions: tuple[str, str], labelled: bool = False) -> Row:
        away = with_pods(0) if labelled else with_client()
        peer = gateway("istio-remote-peer-c1", "istio-eastwest", "istio-remote")
        peer["status"] = {"conditions": [{"type": kind, "status": status} for kind, status in conditions]}
        away["manifests"].append(peer)
        document = scenario(with_rollout(), away, calls=[(REMOTE, GLOBAL)])
        del document["peering"]
        return only(document)

    def test_one_that_never_came_up_brings_no_endpoints(self) -> None:
        """fe-solo-enterprise-for-istio-workshops 006."""
        row = self.row(("gloo.solo.io/PeerConnected", "False"), labelled=True)
        assert (row.verdict, row.reasons) == (Verdict.FAILING, ("MS307", "MS501"))

    def test_nor_the_name_where_only_the_peer_shares_it(self) -> None:
        row = self.row(("gloo.solo.io/PeerConnected", "False"))
        assert ([e.code for e in row.errors], row.reasons) == (["nxdomain"], ("MS103", "MS501"))

    def test_one_that_did_brings_them(self) -> None:
        assert self.row(("Programmed", "True"), ("gloo.solo.io/PeerConnected", "True")).verdict is Verdict.APPLIED


class TestSegmentNames:
    """fe-solo-enterprise-for-istio-workshops 007, 008."""

    def row(self, host: str, *aliases: Document, dialect: str = "solo/1.30", **labels: str) -> Row:
        described: Document = {
            "apiVersion": "admin.solo.io/v1alpha1",
            "kind": "Segment",
            "metadata": {"name": "acme", "namespace": "istio-system"},
            "spec": {"domain": "mesh.acme", "aliases": list(aliases)},
        }
        system = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": "istio-system", "labels": {"admin.solo.io/segment": "acme"}},
        }
        home, away = with_rollout(labels=labels), with_client()
        home["manifests"] += [described, system]
        away["manifests"] += [described, system]
        return only(scenario(home, away, calls=[(REMOTE, f"{host}:8080")], dialect=dialect))

    @pytest.mark.parametrize(
        ("pattern", "host"),
        [
            ("{service}.acme", "web.acme"),
            ("{namespace}-{service}.acme", "shop-web.acme"),
            ("{service}.{labels['acme.io/tier']}.acme", "web.front.acme"),
            ('{service}.{labels["acme.io/tier"]}.acme', "web.front.acme"),
        ],
    )
    def test_an_alias_is_one_more_name(self, pattern: str, host: str) -> None:
        row = self.row(host, {"pattern": pattern}, **{"acme.io/tier": "front"})
        assert (row.verdict, shares(row)) == (Verdict.APPLIED, (F(3, 4), F(1, 4), 0, 0))
        assert self.row("web.shop.mesh.acme", {"pattern": pattern}).verdict is Verdict.APPLIED

    @pytest.mark.parametrize(
        "alias",
        [
            {"pattern": "{service}.{labels['acme.io/tier']}.acme"},
            {"pattern": "{service}.{annotations['acme.io/env']}.acme"},
            {"pattern": "{service}.{zone}.acme"},
            {"pattern": "{service}.acme", "selector": {"matchLabels": {"acme.io/public": "true"}}},
        ],
    )
    def test_one_that_does_not_fit_the_service_is_skipped(self, alias: Document) -> None:
        for host in ("web.acme", "web..acme"):
            assert self.row(host, alias).reasons == ("MS103",)

    def test_a_selector_that_fits(self) -> None:
        alias = {"pattern": "{service}.acme", "selector": {"matchLabels": {"acme.io/public": "true"}}}
        assert self.row("web.acme", alias, **{"acme.io/public": "true"}).verdict is Verdict.APPLIED

    def test_aliases_are_new_in_1_30(self) -> None:
        assert self.row("web.acme", {"pattern": "{service}.acme"}, dialect="solo/1.29").reasons == ("MS103",)


def test_a_client_in_the_rollouts_cluster_that_lands_at_anothers_waypoint_is_told_of_its_missing_route() -> None:
    """fe-solo-enterprise-for-istio-workshops 016: taken over, no pod here, cluster2's own waypoint is used."""
    home = with_rollout(replicas=0, bound=False, labels={"solo.io/service-takeover": "true"})
    away = with_pods(3)
    the(away, "Namespace", NAMESPACE)["metadata"]["labels"]["istio.io/use-waypoint"] = "waypoint"
    away["manifests"].append(
        gateway("waypoint", NAMESPACE, "istio-waypoint")
        | {
            "spec": {
                "gatewayClassName": "istio-waypoint",
                "listeners": [{"name": "mesh", "port": 15008, "protocol": "HBONE"}],
            }
        }
    )
    row = only(scenario(home, away, calls=[("c1/shop/client", "web.shop.svc.cluster.local:8080")]))
    assert (row.verdict, row.decided_by) == (Verdict.BYPASSED, "waypoint:c2/shop/waypoint")
    assert "MS208" in row.reasons
    assert "MS201" not in row.reasons


def test_a_locked_down_pod_is_refused_to_an_ingress_that_goes_around_the_waypoint() -> None:
    """solo-labs, istio-ambient-migration-kind: 503, and why is both the policy and the way."""
    policy = {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "waypoint-only", "namespace": NAMESPACE},
        "spec": {
            "selector": {"matchLabels": {"app": SERVICE}},
            "rules": [{"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/waypoint"]}}]}],
        },
    }
    row = through("istio", policy)
    assert [(e.code, e.share) for e in row.errors] == [("503", 1)]
    assert set(row.reasons) == {"MS205", "MS504"}


def test_a_port_that_a_gateway_does_not_listen_on_is_refused_and_no_waypoint_would_help() -> None:
    part = with_rollout()
    part["manifests"].extend(front("istio", LOCAL.partition(":")[0]))
    row = only(scenario(part, calls=[("ingress:c1/shop/front", "web.example.com:8080")], dialect="istio/1.31"))
    assert row.verdict is Verdict.FAILING
    assert [(e.code, e.share, e.where) for e in row.errors] == [("refused", 1, "gateway:c1/shop/front")]
    assert "MS202" not in row.reasons


class TestWhatAnHttpGatewayAnswers:
    """A connection that closes behind a gateway is 503 UF to its client: measured with Envoy 1.39.3 in the lab."""

    @pytest.mark.parametrize("kind", ["istio", "kgateway"])
    def test_where_the_other_clusters_waypoint_has_no_pod(self, kind: str) -> None:
        home = with_rollout(labels={"istio.io/ingress-use-waypoint": "true"}, state="empty")
        away = with_client()
        away["manifests"] += front(kind)
        row = only(scenario(home, away, calls=[("ingress:c2/shop/front", "web.example.com:80")]))
        assert [(e.code, e.flag, e.where, e.share) for e in row.errors] == [("503", "UF", "gateway:c2/shop/front", 1)]
        assert "MS206" in row.reasons

    def test_where_kgateways_own_ztunnel_finds_no_endpoint(self) -> None:
        row = through("kgateway", replicas=0, bound=False)
        assert [(e.code, e.flag, e.where) for e in row.errors] == [("503", "UF", "gateway:c1/shop/front")]
        assert row.reasons == ("MS307",)


def test_a_failure_that_no_rollout_governs_has_its_reason_too() -> None:
    """The client's own cluster has a Service of its own under the name, nobody's Rollout."""
    away = with_pods(2)
    away["ztunnel"] = {"env": {"NETWORK": "elsewhere"}}
    (row,) = ask(scenario(away, calls=[("c1/shop/client", GLOBAL)]), None)
    assert (row.verdict, row.rollout, row.reasons) == (Verdict.FAILING, None, ("MS105",))


def test_a_headless_services_name_leads_to_pods_and_says_so() -> None:
    """Contract of MS105: a headless Service has no VIP; ztunnel sees a pod's address, and no waypoint before it."""
    part = with_rollout()
    the(part, "Service", SERVICE)["spec"]["clusterIP"] = "None"
    row = only(scenario(part, calls=[("c1/shop/client", "web:8080")]))
    assert (row.verdict, shares(row)) == (Verdict.BYPASSED, (F(4, 5), F(1, 5), 0, 0))
    assert row.reasons == ("MS105", "MS102")


@pytest.mark.parametrize("hops", [1, 2])
def test_an_external_names_target_decides(hops: int) -> None:
    """istio pilot/pkg/serviceregistry/ambient/services.go: ExternalName is in no registry, DNS answers its target."""
    targets = ["web.shop.svc.cluster.local", "alias0.shop.svc.cluster.local."][:hops]
    aliases = tuple(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": f"alias{number}", "namespace": NAMESPACE},
            "spec": {"type": "ExternalName", "externalName": target},
        }
        for number, target in enumerate(targets)
    )
    row = only(scenario(with_rollout(more=aliases), calls=[("c1/shop/client", f"alias{hops - 1}:8080")]))
    assert (row.verdict, row.to) == (Verdict.APPLIED, f"alias{hops - 1}:8080")


def test_an_external_name_that_leads_to_itself_resolves_to_nothing() -> None:
    loop = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "loop", "namespace": NAMESPACE},
        "spec": {"type": "ExternalName", "externalName": "loop.shop.svc.cluster.local"},
    }
    row = only(scenario(with_rollout(more=(loop,)), calls=[("c1/shop/client", "loop:8080")]))
    assert row.reasons == ("MS103",)
