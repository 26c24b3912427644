"""Which extensions act on which proxies. Expected values: istio pilot/pkg/model/policyattachment.go and
policyattachment_test.go (TestPolicyMatcher), push_context.go (EnvoyFilters, getSidecarScope)."""

from collections.abc import Mapping
from typing import Any

import pytest

from meshsim.analysis.extensions import Place, acting
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Cluster, Setting
from meshsim.model.evidence import Assumed
from meshsim.tables.dialect import parse_dialect

HERE = Assumed("written in the test")
GATEWAY_LABEL = ("gateway.networking.k8s.io/gateway-name", "front")
WAYPOINT = Place("c1", "shop", "waypoint", "waypoint", (("gateway.networking.k8s.io/gateway-name", "waypoint"),))
FRONT = Place("c1", "shop", "gateway", "front", (GATEWAY_LABEL, ("app", "front")))
ISTIO_FRONT = Place("c1", "shop", "gateway", "front", (("istio", "ingressgateway"),))
SIDECAR = Place("c1", "shop", "sidecar", "web", (("app", "web"),))
PODS = [Place("c1", "shop", kind, "web-0", (("app", "web"),)) for kind in ("ambient", "none", "unknown")]
PATCHES = {"configPatches": [{"applyTo": "HTTP_FILTER"}]}
WAYPOINT_REF = {"targetRefs": [{"kind": "Gateway", "name": "waypoint"}]}
FRONT_REF = {"targetRefs": [{"kind": "Gateway", "name": "front"}]}


def acts(
    place: Place, kind: str, spec: dict[str, Any], namespace: str = "shop", headers: Mapping[str, str] | None = None
) -> bool:
    versions = {
        "EnvoyFilter": "networking.istio.io/v1alpha3",
        "Sidecar": "networking.istio.io/v1",
        "ListenerSet": "gateway.networking.k8s.io/v1",
        "XListenerSet": "gateway.networking.x-k8s.io/v1alpha1",
    }
    api = versions.get(kind, "security.istio.io/v1" if "Auth" in kind else "extensions.istio.io/v1alpha1")
    setting = Setting("n", HERE)
    one = Manifest.made(api, kind, namespace, "x", {"spec": spec}, HERE)
    cluster = Cluster(
        name="c1",
        network=setting,
        ztunnel_network=setting,
        root=setting,
        dialect=parse_dialect("istio/1.31"),
        objects={one.key: one},
    )
    return bool(list(acting(cluster, place, headers or {})))


@pytest.mark.parametrize("kind", ["EnvoyFilter", "WasmPlugin", "TrafficExtension"])
class TestTargets:
    @pytest.mark.parametrize(
        ("place", "spec", "namespace", "expected"),
        [
            (WAYPOINT, {}, "shop", False),  # a waypoint never goes by a selector
            (WAYPOINT, {}, "istio-system", False),
            (WAYPOINT, WAYPOINT_REF, "shop", True),
            (WAYPOINT, WAYPOINT_REF, "other", False),
            (WAYPOINT, FRONT_REF, "shop", False),
            (WAYPOINT, {"targetRefs": [{"kind": "Service", "name": "orders"}]}, "orders", True),
            (WAYPOINT, {"targetRefs": [{"kind": "GatewayClass", "name": "istio-waypoint"}]}, "istio-system", True),
            (WAYPOINT, {"targetRefs": [{"kind": "GatewayClass", "name": "istio-waypoint"}]}, "shop", False),
            (FRONT, FRONT_REF, "shop", True),
            (FRONT, WAYPOINT_REF, "shop", False),
            (FRONT, {}, "shop", True),
            (FRONT, {}, "istio-system", True),
            (FRONT, {}, "other", False),
            (ISTIO_FRONT, {}, "shop", True),
            (ISTIO_FRONT, FRONT_REF, "shop", False),  # targets are for the Gateway API's alone
            (SIDECAR, {}, "istio-system", True),
            (SIDECAR, FRONT_REF, "shop", False),
            *((pod, {}, "shop", False) for pod in PODS),  # no Envoy takes their traffic in
        ],
    )
    def test_who_is_meant(self, kind: str, place: Place, spec: dict[str, Any], namespace: str, expected: bool) -> None:
        assert acts(place, kind, {**PATCHES, **spec}, namespace) is expected

    @pytest.mark.parametrize(("app", "expected"), [("web", True), ("other", False)])
    def test_a_selector_names_labels(self, kind: str, app: str, expected: bool) -> None:
        key = ("workloadSelector", "labels") if kind == "EnvoyFilter" else ("selector", "matchLabels")
        assert acts(SIDECAR, kind, {**PATCHES, key[0]: {key[1]: {"app": app}}}) is expected


class TestEnvoyFilters:
    @pytest.mark.parametrize(
        ("context", "place", "expected"),
        [
            ("GATEWAY", FRONT, True),
            ("GATEWAY", SIDECAR, False),
            ("SIDECAR_OUTBOUND", FRONT, False),
            ("SIDECAR_OUTBOUND", SIDECAR, True),
            ("ANY", SIDECAR, True),
        ],
    )
    def test_a_context_names_a_kind_of_proxy(self, context: str, place: Place, expected: bool) -> None:
        spec = {"configPatches": [{"applyTo": "HTTP_FILTER", "match": {"context": context}}]}
        assert acts(place, "EnvoyFilter", spec) is expected

    def test_one_without_patches_does_nothing(self) -> None:
        assert not acts(SIDECAR, "EnvoyFilter", {})


class TestTokens:
    @pytest.mark.parametrize(("headers", "expected"), [({}, False), ({"Authorization": "Bearer x"}, True)])
    def test_only_a_request_that_has_one_can_be_refused_for_it(self, headers: dict[str, str], expected: bool) -> None:
        assert acts(WAYPOINT, "RequestAuthentication", WAYPOINT_REF, headers=headers) is expected


class TestSidecars:
    @pytest.mark.parametrize(
        ("spec", "namespace", "expected"),
        [
            ({"egress": [{"hosts": ["./*"]}]}, "shop", True),
            ({"egress": [{"hosts": ["./*", "*/*"]}]}, "shop", False),
            ({"egress": [{"hosts": ["*/*"], "port": {"number": 80}}]}, "shop", True),
            ({"outboundTrafficPolicy": {}}, "shop", False),
            ({"egress": [{"hosts": ["./*"]}], "workloadSelector": {"labels": {"app": "web"}}}, "shop", True),
            ({"egress": [{"hosts": ["./*"]}], "workloadSelector": {"labels": {"app": "no"}}}, "shop", False),
            ({"egress": [{"hosts": ["./*"]}]}, "istio-system", True),
            ({"egress": [{"hosts": ["./*"]}]}, "other", False),
        ],
    )
    def test_one_that_narrows_what_the_sidecar_knows(
        self, spec: dict[str, Any], namespace: str, expected: bool
    ) -> None:
        assert acts(SIDECAR, "Sidecar", spec, namespace) is expected

    def test_others_than_sidecars_do_not_go_by_it(self) -> None:
        assert not acts(WAYPOINT, "Sidecar", {"egress": [{"hosts": ["./*"]}]})


class TestListenerSets:
    @pytest.mark.parametrize("kind", ["ListenerSet", "XListenerSet"])
    @pytest.mark.parametrize(
        ("place", "parent", "namespace", "expected"),
        [
            (FRONT, {"name": "front"}, "shop", True),
            (FRONT, {"name": "front"}, "other", False),
            (FRONT, {"name": "front", "namespace": "shop"}, "other", True),
            (FRONT, {"name": "back"}, "shop", False),
            (WAYPOINT, {"name": "waypoint"}, "shop", False),
        ],
    )
    def test_a_gateway_has_the_listeners_of_its_sets(
        self, kind: str, place: Place, parent: dict[str, str], namespace: str, expected: bool
    ) -> None:
        assert acts(place, kind, {"parentRef": parent}, namespace) is expected
