import pickle
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from meshsim.manifests.manifest import Manifest
from meshsim.manifests.stream import read
from meshsim.model.evidence import Assumed, Source, Written
from meshsim.model.names import ObjectKey

ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: helloworld
  labels: {app: helloworld}
spec:
  rules:
  - name: primary
    backendRefs:
    - {name: stable, weight: 100}
    - {name: canary, weight: 0}
  - name: other
    backendRefs:
    - {name: other}
"""
ARGO = Written("argo-rollouts", 60.0)
WEIGHT = ("spec", "rules", 0, "backendRefs", 1, "weight")


def route() -> Manifest:
    [manifest] = read(ROUTE, "route.yaml").manifests
    return manifest


def test_a_manifest_knows_its_identity_values_and_places() -> None:
    manifest = route()
    assert manifest.key == ObjectKey("HTTPRoute", "default", "helloworld")
    assert (manifest.kind, manifest.namespace, manifest.name) == ("HTTPRoute", "default", "helloworld")
    assert manifest.api_version == "gateway.networking.k8s.io/v1"
    assert manifest.get(*WEIGHT) == 0
    assert manifest.get("spec", "hostnames", default=[]) == []
    assert manifest.get("spec", "rules", 9, "name") is None
    assert manifest.labels == {"app": "helloworld"}
    assert manifest.annotations == {}
    assert manifest.evidence(*WEIGHT) == Source("route.yaml", 11, 30)
    assert manifest.evidence("spec", "hostnames") == Source("route.yaml", 6, 1)


def test_an_edit_copies_and_cites_its_writer() -> None:
    before = route()
    after = before.edited({WEIGHT: 50}, ARGO)
    assert (before.get(*WEIGHT), after.get(*WEIGHT)) == (0, 50)
    assert after.evidence(*WEIGHT) == ARGO
    assert after.evidence("spec", "rules", 0, "backendRefs", 1, "name") == Source("route.yaml", 11, 14)
    assert before.evidence(*WEIGHT) == Source("route.yaml", 11, 30)
    assert after.data["spec"]["rules"][1] is before.data["spec"]["rules"][1]


def test_an_edit_creates_parents_and_removes_keys() -> None:
    after = route().edited({("metadata", "annotations", "a"): "b", ("metadata", "labels", "app"): None}, ARGO)
    assert after.annotations == {"a": "b"}
    assert after.labels == {}
    assert after.evidence("metadata", "annotations", "a") == ARGO
    assert after.evidence("metadata", "labels", "app") == ARGO
    assert after.evidence("metadata", "labels") == Source("route.yaml", 5, 11)


def test_a_later_edit_of_a_parent_covers_what_was_below() -> None:
    user = Written("kubectl apply", 90.0)
    after = route().edited({WEIGHT: 50}, ARGO).edited({("spec", "rules"): []}, user)
    assert after.evidence(*WEIGHT) == user


def test_an_appended_list_item_is_an_edit() -> None:
    after = route().edited({("spec", "rules", 2): {"name": "added"}}, ARGO)
    assert after.get("spec", "rules", 2, "name") == "added"
    assert after.evidence("spec", "rules", 2, "name") == ARGO
    assert after.evidence("spec", "rules", 1, "name") == Source("route.yaml", 12, 11)


def test_replaced_data_keeps_the_places_of_what_stayed_also_where_it_moved() -> None:
    manifest = route()
    rules = manifest.data["spec"]["rules"]
    header = {"name": "header", "backendRefs": [{"name": "canary"}]}
    weighted = {**rules[0], "backendRefs": [{"name": "stable", "weight": 50}, {"name": "canary", "weight": 50}]}
    after = manifest.replaced({**manifest.data, "spec": {"rules": [header, weighted, rules[1]]}}, ARGO)
    assert after.evidence("spec", "rules", 0, "name") == ARGO
    assert after.evidence("spec", "rules", 1, "name") == Source("route.yaml", 8, 11)
    assert after.evidence("spec", "rules", 1, "backendRefs", 1, "weight") == ARGO
    assert after.evidence("spec", "rules", 1, "backendRefs", 1, "name") == Source("route.yaml", 11, 14)
    assert after.evidence("spec", "rules", 2, "backendRefs", 0, "name") == Source("route.yaml", 14, 14)
    again = after.replaced(manifest.data, Written("kubectl", 90.0))
    assert again.evidence("spec", "rules", 1, "name") == Source("route.yaml", 12, 11)


def test_an_object_that_nobody_wrote_is_assumed_throughout() -> None:
    assumed = Assumed("implied by Rollout helloworld")
    pod = Manifest.made("v1", "Pod", "default", "helloworld-0", {"metadata": {"labels": {"a": "b"}}}, assumed)
    assert pod.key == ObjectKey("Pod", "default", "helloworld-0")
    assert pod.get("metadata") == {"labels": {"a": "b"}, "name": "helloworld-0", "namespace": "default"}
    assert pod.evidence("spec", "nodeName") == assumed
    assert pod.edited({("spec", "nodeName"): "n"}, ARGO).evidence("spec", "nodeName") == ARGO


def test_a_manifest_survives_pickling_with_its_places() -> None:
    manifest = route().edited({WEIGHT: 50}, ARGO)
    copy = pickle.loads(pickle.dumps(manifest))
    assert copy.data == manifest.data
    assert copy.evidence(*WEIGHT) == ARGO
    assert copy.evidence("spec", "rules", 1, "name") == Source("route.yaml", 12, 11)


def test_a_null_label_is_an_empty_one() -> None:
    [manifest] = read("{apiVersion: v1, kind: Service, metadata: {name: a, labels: {b: }}}", "f").manifests
    assert manifest.labels == {"b": ""}


values = st.recursive(
    st.none() | st.integers(0, 3) | st.sampled_from("ab"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "a", "b"]), inner, max_size=3),
    max_leaves=12,
)


def paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for step, item in items for found in paths(item, (*path, step)))]


@given(values, values, values)
def test_a_replaced_object_cites_a_file_only_for_values_that_stand_there(first: Any, second: Any, third: Any) -> None:
    origin = _Values({"spec": first})
    manifest = Manifest(ObjectKey("X", "", "x"), "v1", {"spec": first}, origin)
    for index, data in enumerate((second, third, second)):
        manifest = manifest.replaced({"spec": data}, Written("somebody", float(index)))
        for path in paths(manifest.data):
            found = manifest.evidence(*path)
            value = manifest.get(*path)
            if isinstance(found, Source) and not isinstance(value, (dict, list)) and value is not None:
                assert found.path == repr(value)


class _Values:
    """An origin whose place is the value itself."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def place(self, path: tuple[str | int, ...]) -> Source:
        value = self.data
        for step in path:
            value = value[step]
        return Source(repr(value))
