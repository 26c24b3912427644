"""Scenarios whose proxies' tables come from dumps of what meshsim compiles for them."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, final

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


@final
@dataclass(frozen=True)
class Compiled:
    """A shipped scenario at its first moment: its rows, and its proxies' dumps as JSON by cluster and name."""

    moment: str | None
    rows: tuple[Row, ...]
    dumps: dict[str, dict[str, str]]


@lru_cache(maxsize=16)
def compiled(name: str) -> Compiled:
    """The scenario as its manifests have it. Tests of one scenario stand together, so that few are kept."""
    session = load(FOLDER / name)
    moment = session.moments(None)[0][0]
    situation = session.situation(moment)
    called = [
        (client.ident, str(call.target)) for call in session.calls_in(situation) for _, client in call.caller.clients
    ]
    found: dict[str, dict[str, str]] = {}
    for cluster in session.mesh.clusters:
        envoys = {proxy: json.dumps(dump, indent=1) for proxy, dump in dumps(situation, cluster, called).items()}
        found[cluster] = {"ztunnel": json.dumps(held.values(situation, cluster, "all"), indent=1), **envoys}
    assert moment is None or isinstance(moment, str)
    return Compiled(moment, tuple(session.verdicts(moment)), found)


@pytest.fixture
def dumped(tmp_path: Path) -> Callable[..., tuple[Session, str | None]]:
    """A copy of a shipped scenario with dumps of its proxies at its first moment, edited; and that moment."""

    def make(
        name: str, edit: Edit | None = None, *, kinds: tuple[str, ...] = ("envoy",), only: str = ""
    ) -> tuple[Session, str | None]:
        folder = tmp_path / name
        shutil.copytree(FOLDER / name, folder)
        document = yaml.safe_load((folder / "scenario.yaml").read_text())
        known = compiled(name)
        for cluster, texts in known.dumps.items():
            files: dict[str, Any] = {}
            for proxy, text in texts.items():
                kind = "ztunnel" if proxy == "ztunnel" else "envoy"
                if kind not in kinds or only not in f"{cluster}/{proxy}":
                    continue
                if edit is not None and kind == "envoy":
                    dump = json.loads(text)
                    edit(f"{cluster}/{proxy}", dump)
                    text = json.dumps(dump, indent=1)
                file = f"{cluster}-{proxy.replace(':', '-').replace('/', '-')}.json"
                (folder / file).write_text(text)
                if kind == "ztunnel":
                    files["ztunnel"] = file
                else:
                    files.setdefault("envoy", {})[proxy] = file
            document["clusters"][cluster]["dumps"] = files
        (folder / "scenario.yaml").write_text(yaml.safe_dump(document))
        return load(folder), known.moment

    return make
