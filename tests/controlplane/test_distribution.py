"""How a service wants its traffic spread. Expected values: istio pilot/pkg/model/service.go:841,
pilot/pkg/serviceregistry/ambient/services.go:622 and its services_test.go."""

import pytest
from made_meshes import cluster, known, namespace, plane, service

from meshsim.tables.service import LoadBalancing

ANNOTATION = "networking.istio.io/traffic-distribution"


def balancing(spec: str = "", annotation: str = "", place: str = "") -> LoadBalancing | None:
    own = service(spec=spec)
    if annotation:
        own = own.replace("metadata: {", f"metadata: {{annotations: {{{ANNOTATION}: {annotation}}}, ")
    around = namespace(annotations=f"{ANNOTATION}: {place}") if place else ""
    return known(plane(cluster("c1", own, around)), "c1").load_balancing


def scopes(found: LoadBalancing | None) -> tuple[str, ...]:
    return tuple(p.value for p in found.preferences) if found is not None else ()


CLOSE = ("Network", "Region", "Zone")


def test_nothing_asked_nothing_preferred() -> None:
    assert balancing() is None


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("PreferClose", CLOSE),
        ("preferclose", CLOSE),
        ("PreferSameZone", CLOSE),
        ("PreferSameNode", (*CLOSE, "Subzone", "Node")),
        ("Any", ()),
        ("Nonsense", ()),
    ],
)
def test_the_services_field(asked: str, expected: tuple[str, ...]) -> None:
    found = balancing(f"  trafficDistribution: {asked}")
    assert scopes(found) == expected
    assert found is None or found.mode.value == "Failover"


def test_the_field_goes_before_the_annotation_and_that_before_the_namespaces() -> None:
    assert scopes(balancing("  trafficDistribution: PreferSameNode", "PreferClose", "Any")) == (
        *CLOSE,
        "Subzone",
        "Node",
    )
    assert scopes(balancing("", "PreferClose", "Any")) == CLOSE
    assert scopes(balancing("", "", "PreferClose")) == CLOSE
    assert scopes(balancing("", "Any", "PreferClose")) == ()


def test_internal_traffic_policy_local_is_strict_on_the_node() -> None:
    found = balancing("  internalTrafficPolicy: Local\n  trafficDistribution: PreferClose")
    assert (scopes(found), found.mode.value if found else "") == (("Node",), "Strict")


def test_published_unready_addresses_are_allowed() -> None:
    found = balancing("  publishNotReadyAddresses: true")
    assert found is not None
    assert (found.health.value, found.mode.value) == ("AllowAll", "Standard")
