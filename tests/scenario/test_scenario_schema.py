import subprocess
import sys

from meshsim.scenario.schema import CLUSTER, ENTRY, SCENARIO, json_schema
from meshsim.scenario.verbs import COMMON, VERBS, keys_of


def test_the_json_schema_knows_every_key_and_verb() -> None:
    schema = json_schema()
    assert set(schema["properties"]) == set(SCENARIO)
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]["clusters"]["additionalProperties"]["properties"]) == set(CLUSTER)
    entry = schema["properties"]["timeline"]["items"]
    assert set(entry["properties"]) == set(ENTRY)
    assert entry["properties"]["do"]["enum"] == list(VERBS)
    assert all(key in entry["properties"] for verb in VERBS for key in (*keys_of(verb), *COMMON))
    assert schema["properties"]["dataplane"]["description"]


def test_loading_is_possible_without_importing_pydantic_first() -> None:
    code = "import sys, meshsim.scenario.load; sys.exit('pydantic' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_clusters_alone_never_import_pydantic() -> None:
    code = """
import sys
from meshsim.scenario.load import from_clusters
text = b"{apiVersion: v1, kind: Service, metadata: {name: a}}"
from_clusters({"east": "-"}, stdin=lambda: text)
sys.exit("pydantic" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_scenario_file_needs_pydantics_core_only() -> None:
    code = """
import sys
from meshsim.scenario.load import load
load("-", stdin=lambda: b"{apiVersion: meshsim/v1, kind: Scenario, clusters: {east: {}}}")
sys.exit("pydantic" in sys.modules or "pydantic_core" not in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
