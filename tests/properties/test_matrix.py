"""The matrix says of every pair what one run of the resolver says of it, whoever stood for it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies.asking import QUICK, load
from strategies.meshes import SERVICE, Document, RandomMesh, meshes

from meshsim import session
from meshsim.analysis.matrix import VERDICTS, VerdictMatrix, all_addresses, client_pods, worst_of
from meshsim.model.verdict import in_brief

ROOT = Path(__file__).parents[2] / "scenarios"
SCENARIOS = sorted(path.parent.name for path in ROOT.glob("*/scenario.yaml"))
OWN = {"Service", "Deployment", "Rollout", "HTTPRoute", "VirtualService", "DestinationRule"}
NAMES = ("web", "api", "cart-x", "web2", "search")
TRAPS = ("http", "shop", "waypoint2", "global")
"""`http` names ports, `shop` the namespace, `global` a scope: words that mean more than a name."""


def family(document: Document, names: list[str], odd: dict[str, Any] | None) -> None:
    """Copies of everything that is `web`'s under other names; one copy differs from the others in a field."""
    for part in document["clusters"].values():
        mine = [m for m in part["manifests"] if m["kind"] in OWN and _is_web(m)]
        part["manifests"] = [m for m in part["manifests"] if m not in mine]
        for name in names:
            copies = [json.loads(re.sub(rf"\b{SERVICE}\b", name, json.dumps(m))) for m in mine]
            if odd is not None and name == names[-1]:
                for copy in copies:
                    copy["metadata"].setdefault(odd["place"], {}).update(odd["value"])
                    if "replicas" in copy["spec"]:
                        copy["spec"]["replicas"] += odd["more"]
            part["manifests"] += copies


def _is_web(manifest: Document) -> bool:
    return bool(re.fullmatch(rf"{SERVICE}(-\w+)?", manifest["metadata"]["name"]))


FAMILIES = st.lists(st.sampled_from(NAMES), min_size=2, max_size=3, unique=True) | st.lists(
    st.sampled_from((*NAMES, *TRAPS)), min_size=2, max_size=4, unique=True
)
ODD = st.none() | st.fixed_dictionaries(
    {
        "place": st.sampled_from(("labels", "annotations")),
        "value": st.sampled_from(
            (
                {},
                {"istio.io/use-waypoint": "none"},
                {"solo.io/service-scope": "global"},
                {"networking.istio.io/traffic-distribution": "PreferNetwork"},
                {"team": "a"},
            )
        ),
        "more": st.sampled_from((0, 1)),
    }
)


@settings(max_examples=60, suppress_health_check=list(HealthCheck), **QUICK)
@given(meshes(), FAMILIES, ODD)
def test_every_pair_is_what_its_own_run_says(mesh: RandomMesh, names: list[str], odd: dict[str, Any] | None) -> None:
    document = json.loads(json.dumps(mesh.document))
    family(document, names, odd)
    document["calls"] = []
    document.pop("expect", None)
    asked = load(document)
    situation = asked.situation(asked.moments(None)[0][0])
    matrix = VerdictMatrix(situation, client_pods(situation), all_addresses(situation))
    compare(matrix)


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_pair_of_a_scenario_is_what_its_own_run_says(name: str) -> None:
    compare(session.load(ROOT / name).verdict_matrix())


def compare(matrix: VerdictMatrix) -> None:
    verdicts, outcomes = matrix.verdicts(), matrix.outcome_numbers()
    for row, client in enumerate(matrix.clients):
        for column, address in enumerate(matrix.addresses):
            alone = matrix.rows(client, address)
            found = matrix.outcomes[outcomes[row, column]]
            assert [said(one) for one in map(in_brief, alone)] == [said(one) for one in found], (client, address)
            assert VERDICTS[verdicts[row, column]] is worst_of(tuple(map(in_brief, alone)))


def said(one: Any) -> tuple[Any, ...]:
    return (one.verdict, one.masked, one.reasons, one.effective, one.rollout is None)
