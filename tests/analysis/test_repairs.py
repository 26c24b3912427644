"""The smallest edit that restores a split, tried before it is told. Expected edits: each scenario's own twin."""

import pytest

import meshsim
from meshsim.model.verdict import Verdict


@pytest.mark.parametrize(
    ("scenario", "frm", "to", "sentence"),
    [
        (
            "waypoint-scaled-to-zero",
            "cluster1/ads/bidder",
            "bids.ads.mesh.internal:8080",
            "scale Deployment ads/waypoint in cluster1 to 1",
        ),
        (
            "client-local-waypoint",
            "cluster2/shop/recommender",
            "catalog.shop.mesh.internal:8080",
            "remove label istio.io/use-waypoint from Namespace shop in cluster2",
        ),
        (
            "canary-virtualservice/twin.yaml",
            "cluster1/store/web",
            "catalog.store.mesh.internal:7000",
            "delete HTTPRoute store/catalog-timeouts in cluster1, or move its rules into the managed route",
        ),
        (
            "flat-global-hostname/twin.yaml",
            "cluster2/payments/teller",
            "ledger.payments.mesh.internal:8080",
            "label Service payments/ledger in cluster1 with istio.io/use-waypoint=waypoint",
        ),
        (
            "ingress-hostname-without-group",
            "ingress:cluster1/music/edge",
            "music.example.com:80",
            (
                "make backendRef player.music.mesh.internal of HTTPRoute music/edge in cluster1 the Hostname "
                "player.music.mesh.internal (group networking.istio.io)"
            ),
        ),
        (
            "ingress-to-a-local-service",
            "ingress:cluster2/food/edge",
            "food.example.com:80",
            (
                "make backendRef menu of HTTPRoute food/edge in cluster2 the Hostname menu.food.mesh.internal "
                "(group networking.istio.io)"
            ),
        ),
        (
            "istio-ingress-in-the-other-cluster/twin.yaml",
            "ingress:cluster2/arena/front",
            "tickets.example.com:80",
            "set AMBIENT_ENABLE_MULTI_NETWORK_INGRESS=true on istiod in cluster2",
        ),
        (
            "istio-no-stub-service",
            "cluster2/bank/teller",
            "ledger.bank.svc.cluster.local:7070",
            "give cluster2 a Service bank/ledger like that of cluster1",
        ),
        (
            "istio-older-virtualservice",
            "cluster1/people/portal",
            "profile.people.svc.cluster.local:8081",
            "delete VirtualService people/profile-timeout in cluster1, or move its rules into the managed route",
        ),
        (
            "istio-sidecars",
            "cluster2/legacy/scanner",
            "stock.depot.svc.cluster.local:8080",
            "label Namespace legacy in cluster2 with istio.io/dataplane-mode=ambient and without injection",
        ),
        (
            "istio-subset-diluted-at-the-gateway",
            "cluster1/office/phone",
            "mail.office.svc.cluster.local:8025",
            "remove label istio.io/global from Service office/mail in cluster1",
        ),
        (
            "local-name-in-the-other-cluster",
            "cluster2/hr/report",
            "payroll.hr.svc.cluster.local:8080",
            "label Service hr/payroll in cluster1 with solo.io/service-takeover=true",
        ),
        (
            "local-name-stays-local",
            "cluster1/fleet/truck",
            "telemetry.fleet.svc.cluster.local:8080",
            "label Service fleet/telemetry in cluster1 with solo.io/service-takeover=true",
        ),
        (
            "service-not-labelled-global",
            "cluster2/legal/archive",
            "contracts.legal.mesh.internal:8080",
            "label Service legal/contracts in cluster1 with solo.io/service-scope=global",
        ),
        (
            "waypoint-never-ready",
            "cluster1/maps/viewer",
            "tiles.maps.svc.cluster.local:8080",
            "get Gateway maps/waypoint in cluster1 programmed: it has no address",
        ),
        (
            "ztunnel-network-mismatch",
            "cluster1/energy/reader",
            "meters.energy.mesh.internal:8080",
            "set NETWORK=network1 on ztunnel in cluster1",
        ),
    ],
)
def test_the_edit_that_the_twin_makes_is_found(scenario: str, frm: str, to: str, sentence: str) -> None:
    found, *_ = meshsim.load(f"scenarios/{scenario}").explain(frm, to)
    assert found.row.verdict is not Verdict.APPLIED
    assert found.repair is not None
    assert found.repair.sentence == sentence
    assert found.repair.after.verdict is Verdict.APPLIED


def test_a_port_that_only_a_peer_declares_is_repaired_at_the_peer() -> None:
    """The client's cluster has a waypoint and no Service: its entry's ports are those of cluster1's Service."""
    tcp = {"cluster1/Service/shop/catalog": {"spec.ports.0.name": "tcp"}}
    session = meshsim.load("scenarios/client-local-waypoint").fork(fields=tcp)
    found = session.trace("cluster2/shop/recommender", "catalog.shop.mesh.internal:8080")
    named = {
        fact.subject for path in found.paths() for step in path.steps for fact in step.facts if "ports" in fact.name
    }
    assert named == {"cluster1/Service/shop/catalog"}


def test_an_edit_that_changes_what_the_rollout_wants_is_no_repair() -> None:
    """A GitOps sync has put the weights back; taking the canary's Service out of the route would stop the Rollout."""
    (found,) = meshsim.load("scenarios/time-gitops-sync").explain(
        "cluster2/default/curl", "helloworld.default.mesh.internal:5000"
    )
    assert found.row.verdict is Verdict.SKEWED
    assert found.repair is None


@pytest.mark.parametrize(
    ("scenario", "frm", "to", "fact"),
    [
        (
            "service-not-labelled-global",
            "cluster2/archive",
            "contracts.legal.mesh.internal:8080",
            ("cluster1/Service/legal/contracts", "label:solo.io/service-scope", None),
        ),
        (
            "local-name-in-the-other-cluster",
            "cluster2/hr/report",
            "payroll.hr.svc.cluster.local:8080",
            ("cluster1/Service/hr/payroll", "label:solo.io/service-takeover", None),
        ),
        (
            "istio-no-stub-service",
            "cluster2/bank/teller",
            "ledger.bank.svc.cluster.local:7070",
            ("cluster1/Service/bank/ledger", "label:istio.io/global", "true"),
        ),
    ],
)
def test_a_name_that_does_not_resolve_shows_the_labels_that_would_share_it(
    scenario: str, frm: str, to: str, fact: tuple[str, str, str | None]
) -> None:
    found = meshsim.load(f"scenarios/{scenario}").trace(frm, to)
    assert fact in {(one.subject, one.name, one.value) for step in found.roots for one in step.facts}


def test_a_suffix_of_a_callers_name_means_the_stated_call_with_its_path() -> None:
    (found,) = meshsim.load("scenarios/client-local-waypoint").explain(
        "cluster2/recommender", "catalog.shop.mesh.internal:8080"
    )
    assert found.row.path == "/items"
