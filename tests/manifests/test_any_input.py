"""No input makes a traceback: whatever the bytes, there are Manifests or an InputError."""

from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from meshsim.manifests.fields import relevant_fields
from meshsim.manifests.stream import read
from meshsim.model.errors import InputError

YAML_BITS = st.sampled_from(
    ["a: ", "b:\n", "- ", "  ", "\n", "---\n", "{", "}", "[", "]", ", ", ": ", "&a ", "*a ", "<<: ", "!!int ",
     "!!binary ",
     "!x ", "? ", "|", ">", "'", '"', "\t", "# c\n", "{{ x }}", "%YAML 1.1\n", "on", "0777", ".inf", "~",
     "1_0", "\\ud83d",
     "apiVersion: v1\n", "kind: Service\n", "kind: List\n", "items:\n", "metadata: {name: a}\n", "spec:\n",
     "\x00", "\ufeff"]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "metadata",
                    "name",
                    "labels",
                    "spec",
                    "ports",
                    "replicas",
                    "rules",
                    "backendRefs",
                    "items",
                    "http",
                    "route",
                ]
            )
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)
KINDS = st.sampled_from(
    [("v1", "Service"), ("v1", "List"), ("v1", "Pod"), ("apps/v1", "Deployment"), ("argoproj.io/v1alpha1", "Rollout"),
     ("gateway.networking.k8s.io/v1", "HTTPRoute"), ("networking.istio.io/v1", "VirtualService"), ("v1", "PodList")]
)  # fmt: skip


def check(text: bytes | str) -> None:
    with suppress(InputError):
        for manifest in read(text, "f.yaml").manifests:
            assert manifest.name
            manifest.evidence("spec", "ports", 0)
            relevant_fields(manifest)


@given(st.binary(max_size=200))
def test_arbitrary_bytes(data: bytes) -> None:
    check(data)


@given(st.text(max_size=200))
def test_arbitrary_text(text: str) -> None:
    check(text)


@given(st.lists(YAML_BITS, max_size=25))
def test_scraps_of_yaml(bits: list[str]) -> None:
    check("".join(bits))


@given(KINDS, JSON, JSON)
def test_objects_of_any_shape(kind: tuple[str, str], metadata: Any, spec: Any) -> None:
    import json

    whole = {"apiVersion": kind[0], "kind": kind[1], "metadata": metadata, "spec": spec, "items": spec}
    check(json.dumps(whole))
    if isinstance(metadata, dict):
        check(json.dumps({**whole, "metadata": {**metadata, "name": "x"}}))
