"""Scenarios whose proxies' tables come from dumps of what meshsim compiles for them."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from scenarios.config_dump import dumps

from meshsim.model.verdict import Row
from meshsim.report import held
from meshsim.session import Session, load

FOLDER: Final = Path(__file__).parents[2] / "scenarios"
NAMES: Final = sorted(path.parent.name for path in FOLDER.glob("*/scenario.yaml"))
Edit = Callable[[str, dict[str, Any]], None]
"""Changes the dump of a proxy, under the name that `dumps:` has it by, preceded by its cluster."""


def answers(rows: tuple[Row, ...]) -> list[tuple[object, ...]]:
    """All that an answer states but its evidence, which a dump replaces."""
    return [
        (
            *(r.frm, r.to, r.rollout, r.verdict, r.reasons, r.masked, r.desired, r.effective, r.pods, r.errors),
            *(r.hops, r.decided_by, r.granularity),
        )
        for r in rows
    ]


@pytest.fixture
def dumped(tmp_path: Path) -> Callable[..., tuple[Session, str | None]]:
    """A copy of a shipped scenario with dumps of its proxies at its first moment, edited; and that moment."""

    def make(
        name: str, edit: Edit | None = None, *, kinds: tuple[str, ...] = ("envoy",), only: str = ""
    ) -> tuple[Session, str | None]:
        folder = tmp_path / name
        shutil.copytree(FOLDER / name, folder)
        document = yaml.safe_load((folder / "scenario.yaml").read_text())
        session = load(FOLDER / name)
        moment = session.moments(None)[0][0]
        situation = session.situation(moment)
        called = [
            (client.ident, str(call.target))
            for call in session.calls_in(situation)
            for _, client in call.caller.clients
        ]
        for cluster in document["clusters"]:
            files: dict[str, Any] = {}
            if "ztunnel" in kinds and not only:
                files["ztunnel"] = _written(folder, f"{cluster}-ztunnel", held.values(situation, cluster, "all"))
            if "envoy" in kinds:
                found = dict(dumps(situation, cluster, called).items())
                for proxy, dump in found.items():
                    if edit is not None:
                        edit(f"{cluster}/{proxy}", dump)
                    if only in f"{cluster}/{proxy}":
                        file = f"{cluster}-{proxy.replace(':', '-').replace('/', '-')}"
                        files.setdefault("envoy", {})[proxy] = _written(folder, file, dump)
            document["clusters"][cluster]["dumps"] = files
        (folder / "scenario.yaml").write_text(yaml.safe_dump(document))
        return load(folder), moment

    return make


def _written(folder: Path, name: str, dump: Mapping[str, Any]) -> str:
    (folder / f"{name}.json").write_text(json.dumps(dump, indent=1))
    return f"{name}.json"
