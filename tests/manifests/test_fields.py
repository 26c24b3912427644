import pytest

from meshsim.manifests.field_tables import TABLES
from meshsim.manifests.fields import classify, reasons, relevant_fields
from meshsim.manifests.kinds import KINDS, Bearing
from meshsim.manifests.manifest import Manifest
from meshsim.manifests.stream import read

VERSIONS = {
    "Service": "v1",
    "Gateway": "gateway.networking.k8s.io/v1",
    "HTTPRoute": "gateway.networking.k8s.io/v1",
    "VirtualService": "networking.istio.io/v1",
    "DestinationRule": "networking.istio.io/v1",
    "Rollout": "argoproj.io/v1alpha1",
}


def thing(kind: str, spec: str) -> Manifest:
    text = f"apiVersion: {VERSIONS[kind]}\nkind: {kind}\nmetadata: {{name: x, labels: {{a: b}}}}\nspec: {spec}\n"
    return read(text, "f.yaml").manifests[0]


def relevant(kind: str, spec: str) -> list[str]:
    return [path for path, _ in relevant_fields(thing(kind, spec))]


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        (
            "Service",
            "{selector: {app: a}, ports: [{name: http, port: 80, targetPort: 80, protocol: TCP}], type: ClusterIP}",
        ),
        ("Service", "{sessionAffinity: None, ipFamilies: [IPv4], clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1]}"),
        ("Gateway", "{gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}"),
        (
            "HTTPRoute",
            """{parentRefs: [{group: '', kind: Service, name: a}], rules: [{matches: [{path: {value: /}}],
             timeouts: {request: 1s}, backendRefs: [{group: '', kind: Service, name: a, port: 80, weight: 100}]}]}""",
        ),
        (
            "VirtualService",
            """{hosts: [a], http: [{name: primary, match: [{uri: {prefix: /}}], retries: {attempts: 3},
             route: [{destination: {host: a, subset: stable, port: {number: 80}}, weight: 100}]}]}""",
        ),
        (
            "DestinationRule",
            """{host: a, subsets: [{name: stable, labels: {v: '1'}}], trafficPolicy: {outlierDetection: {interval: 1s},
             loadBalancer: {simple: RANDOM, localityLbSetting: {enabled: false}}, tls: {mode: ISTIO_MUTUAL}}}""",
        ),
        (
            "Rollout",
            """{replicas: 1, selector: {matchLabels: {app: a}}, template: {metadata: {labels: {app: a}}}, strategy:
             {canary: {stableService: s, canaryService: c, trafficRouting: {plugins: {argoproj-labs/gatewayAPI:
             {httpRoutes: [{name: a}]}}}, steps: [{pause: {}}, {setWeight: 50}]}}}""",
        ),
    ],
)
def test_the_guides_objects_are_wholly_modelled(kind: str, spec: str) -> None:
    assert relevant(kind, spec) == []


@pytest.mark.parametrize(
    ("kind", "spec", "path"),
    [
        ("Service", "{sessionAffinity: ClientIP}", "spec.sessionAffinity"),
        ("Service", "{externalIPs: [1.2.3.4]}", "spec.externalIPs"),
        ("Service", "{tomorrow: 1}", "spec.tomorrow"),
        ("Gateway", "{allowedListeners: {namespaces: {from: All}}}", "spec.allowedListeners"),
        ("HTTPRoute", "{rules: [{sessionPersistence: {type: Cookie}}]}", "spec.rules[0].sessionPersistence"),
        ("HTTPRoute", "{rules: [{backendRefs: [{name: a, filters: [{extensionRef: {name: b}}]}]}]}",
         "spec.rules[0].backendRefs[0].filters[0].extensionRef"),
        ("VirtualService", "{http: [{match: [{scheme: {exact: https}}]}]}", "spec.http[0].match[0].scheme"),
        ("VirtualService", "{http: [{retries: {retryRemoteLocalities: true}}]}",
         "spec.http[0].retries.retryRemoteLocalities"),
        ("DestinationRule", "{trafficPolicy: {tls: {mode: DISABLE}}}", "spec.trafficPolicy.tls.mode"),
        ("DestinationRule", "{trafficPolicy: {portLevelSettings: [{loadBalancer: {warmup: {duration: 10s}}}]}}",
         "spec.trafficPolicy.portLevelSettings[0].loadBalancer.warmup"),
        ("Rollout", "{strategy: {canary: {trafficRouting: {plugins: {acme/router: {a: b}}}}}}",
         "spec.strategy.canary.trafficRouting.plugins.acme/router"),
        ("Rollout", "{strategy: {canary: {steps: [{experiment: {duration: 1m}}]}}}",
         "spec.strategy.canary.steps[0].experiment"),
    ],
)  # fmt: skip
def test_what_matters_and_is_not_modelled_is_found_with_its_place(kind: str, spec: str, path: str) -> None:
    found = relevant_fields(thing(kind, spec))
    assert [where for where, _ in found] == [path]
    assert str(found[0][1]) == "f.yaml:4"


def test_each_relevant_field_has_its_reason() -> None:
    [(path, why, _)] = reasons(thing("Service", "{sessionAffinity: ClientIP}"))
    assert (path, why) == ("spec.sessionAffinity", "a client sticks to one pod")


def test_null_and_empty_fields_say_nothing() -> None:
    assert relevant("VirtualService", "{http: [{fault: null, mirror: {}, mirrors: []}]}") == []


def test_kinds_without_a_table_have_no_relevant_fields() -> None:
    manifest = read("{apiVersion: v1, kind: Secret, metadata: {name: x}, data: {a: Yg==}}", "f").manifests[0]
    assert relevant_fields(manifest) == []


def test_the_longest_prefix_decides() -> None:
    retries = ("spec", "http", 0, "retries")
    assert classify("VirtualService", (*retries, "attempts")).bearing is Bearing.IRRELEVANT
    assert classify("VirtualService", (*retries, "retryRemoteLocalities")).bearing is Bearing.RELEVANT
    assert classify("Service", ("spec", "never heard of")).bearing is Bearing.RELEVANT


def test_every_classification_has_a_reason() -> None:
    assert all(field.why for table in TABLES.values() for field in table.values())
    assert all(kind.why for kind in KINDS.values())
