import pytest

from meshsim.manifests.stream import read
from meshsim.model.errors import InputError


def keys(text: str) -> list[str]:
    return [str(manifest.key) for manifest in read(text, "f.yaml").manifests]


def thing(api_version: str, kind: str, name: str = "x", **metadata: str) -> str:
    more = "".join(f", {key}: {value}" for key, value in metadata.items())
    return f"{{apiVersion: {api_version}, kind: {kind}, metadata: {{name: {name}{more}}}}}"


@pytest.mark.parametrize("version", ["v1alpha3", "v1beta1", "v1"])
def test_istios_gateway_is_told_from_the_gateway_apis(version: str) -> None:
    assert keys(thing(f"networking.istio.io/{version}", "Gateway")) == ["Gateway.networking.istio.io/default/x"]
    assert keys(thing("gateway.networking.k8s.io/v1beta1", "Gateway")) == ["Gateway/default/x"]


def test_a_kind_of_another_group_carries_its_group() -> None:
    assert keys(thing("serving.knative.dev/v1", "Service", namespace="a")) == ["Service.serving.knative.dev/a/x"]
    assert keys(thing("example.com/v1", "Widget")) == ["Widget.example.com/x"]


@pytest.mark.parametrize(
    ("api_version", "kind", "key"),
    [
        ("v1", "Service", "Service/default/x"),
        ("v1", "Namespace", "Namespace/x"),
        ("v1", "Node", "Node/x"),
        ("apps/v1", "Deployment", "Deployment/default/x"),
        ("extensions/v1beta1", "Deployment", "Deployment/default/x"),
        ("argoproj.io/v1alpha1", "Rollout", "Rollout/default/x"),
        ("gateway.networking.k8s.io/v1alpha2", "HTTPRoute", "HTTPRoute/default/x"),
        ("gateway.networking.k8s.io/v1", "GatewayClass", "GatewayClass/x"),
        ("networking.istio.io/v1alpha3", "VirtualService", "VirtualService/default/x"),
        ("autoscaling/v2", "HorizontalPodAutoscaler", "HorizontalPodAutoscaler/default/x"),
        ("batch/v1", "Job", "Job/default/x"),
        ("admin.solo.io/v1alpha1", "Segment", "Segment/default/x"),
        ("security.istio.io/v1", "AuthorizationPolicy", "AuthorizationPolicy/default/x"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "CustomResourceDefinition/x"),
    ],
)
def test_known_kinds_have_their_scope(api_version: str, kind: str, key: str) -> None:
    assert keys(thing(api_version, kind)) == [key]


def test_a_namespace_on_a_cluster_scoped_object_is_ignored() -> None:
    assert keys(thing("rbac.authorization.k8s.io/v1", "ClusterRole", namespace="argo-rollouts")) == ["ClusterRole/x"]


def test_the_default_namespace_can_be_another() -> None:
    [manifest] = read(thing("v1", "Service"), "f", namespace="shop").manifests
    assert manifest.namespace == "shop"


def test_lists_are_unpacked_however_deep() -> None:
    inner = f"{{apiVersion: v1, kind: List, items: [{thing('v1', 'Service', 'b')}]}}"
    typed = "{apiVersion: v1, kind: PodList, items: [{metadata: {name: c}}]}"
    text = f"apiVersion: v1\nkind: List\nitems:\n- {thing('v1', 'Service', 'a')}\n- {inner}\n- {typed}\n-\n"
    assert keys(text) == ["Service/default/a", "Service/default/b", "Pod/default/c"]


def test_an_item_of_a_list_has_its_own_line() -> None:
    text = f"apiVersion: v1\nkind: List\nitems:\n- {thing('v1', 'Service', 'a')}\n"
    [manifest] = read(text, "f.yaml").manifests
    assert str(manifest.evidence("metadata", "name")) == "f.yaml:4"


def test_an_empty_list_is_no_object() -> None:
    assert keys("{apiVersion: v1, kind: List, items: []}") == []


def test_generated_names_are_stable_and_distinct() -> None:
    text = "{apiVersion: batch/v1, kind: Job, metadata: {generateName: check-}}\n"
    found = keys(text + "---\n" + text)
    assert len(set(found)) == 2
    assert found == keys(text + "---\n" + text)
    assert all(key.startswith("Job/default/check-") for key in found)


def test_templates_of_argo_and_prometheus_are_no_unrendered_manifests() -> None:
    text = """\
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: success}
spec:
  metrics:
  - name: rate
    provider: {prometheus: {query: "sum(rate(x{service=\\"{{args.service-name}}\\"}[5m]))"}}
"""
    assert keys(text) == ["AnalysisTemplate/default/success"]


def test_a_config_map_may_quote_a_chart() -> None:
    text = "{apiVersion: v1, kind: ConfigMap, metadata: {name: x}, data: {t: '{{ .Values.a }}'}}"
    assert keys(text) == ["ConfigMap/default/x"]


@pytest.mark.parametrize("cpu", ["100m", "0.5", "1", "'2'", "1e3", "128Mi", "1Gi", "1.5Gi"])
def test_quantities_of_kubernetes_are_accepted(cpu: str) -> None:
    pod = f"{{containers: [{{name: a, resources: {{limits: {{cpu: {cpu}}}}}}}]}}"
    assert keys(f"{{apiVersion: v1, kind: Pod, metadata: {{name: x}}, spec: {pod}}}") == ["Pod/default/x"]


def test_unknown_fields_are_no_errors() -> None:
    assert keys("{apiVersion: v1, kind: Service, metadata: {name: x}, spec: {news: 1}}") == ["Service/default/x"]


def test_all_documents_errors_are_said_together() -> None:
    with pytest.raises(InputError) as raised:
        read("kind: A\n---\nkind: B\n", "f")
    assert str(raised.value).count("has no apiVersion") == 2


def test_what_an_installer_reads_needs_no_name() -> None:
    text = "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nspec: {profile: ambient}\n"
    (found,) = read(text, "istio.yaml").manifests
    assert (found.kind, found.name) == ("IstioOperator", "istiooperator")
