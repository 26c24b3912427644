import subprocess
import sys

from meshsim.scenario.schema import ScenarioFile, fields_of, json_schema
from meshsim.scenario.verbs import COMMON, VERBS, keys_of


def test_the_json_schema_knows_every_key_and_verb() -> None:
    schema = json_schema()
    assert set(schema["properties"]) == set(fields_of(ScenarioFile))
    assert schema["additionalProperties"] is False
    entry = schema["$defs"]["TimelineEntry"]
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
