"""A ztunnel's tables from a file: `istioctl ztunnel-config all -o json`, or its admin port's `/config_dump`."""

import hashlib
from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any, final

from meshsim.manifests.dumps.cursor import Cursor
from meshsim.manifests.located import collector_off
from meshsim.manifests.sources import MAX_DUMP, read_bytes
from meshsim.model.errors import InputError
from meshsim.model.evidence import Dumped, Source
from meshsim.model.facts import Fact
from meshsim.model.frozen import frozen
from meshsim.tables.load import ztunnel_tables
from meshsim.tables.ztunnel import ZtunnelTables

HOW = "write it with: istioctl ztunnel-config all -o json"


@final
@frozen
class ZtunnelDump:
    """The tables of one cluster's ztunnels as a dump has them; `tables.network` is "" where it does not say."""

    path: str
    digest: str
    tables: ZtunnelTables = field(compare=False)

    def __str__(self) -> str:
        return f"{self.path} (sha256 {self.digest[:12]})"

    @property
    def network(self) -> str | None:
        """The one network that all pods of the dump are on, else the one of all VIPs ("" where istiod was told none);
        None where there are several, or nothing."""
        pods = {w.network for w in self.tables.workloads.values() if "//Pod/" in w.uid}
        vips = {vip.network for service in self.tables.services.values() for vip in service.vips}
        return next((found.pop() for found in (pods, vips) if len(found) == 1), None)


def read(path: str) -> ZtunnelDump:
    """The dump in a file. Raises InputError with the file and what is wrong in it."""
    content = read_bytes(path, MAX_DUMP)
    with collector_off():
        mapping, lines = _rows(Cursor(content, path, HOW))
    keys = {str(key).lower() for key in mapping}
    missing = [what for what in ("services", "workloads") if what not in keys]
    if missing:
        msg = f"this is no dump of a ztunnel: it has no {' and no '.join(missing)}"
        raise InputError(msg, where=Source(path), hint=HOW)
    try:
        tables = ztunnel_tables(mapping, evidence=Dumped(path))
    except InputError as error:
        raise InputError(error.message, where=Source(path), hint=error.hint) from None
    return ZtunnelDump(path=path, digest=hashlib.sha256(content).hexdigest(), tables=_placed(tables, lines))


def _rows(at: Cursor) -> tuple[Mapping[str, Any], Mapping[str, int]]:
    """The dump, and on which line the row of a service's host or a workload's uid begins."""
    if at.opens != "{":
        at.value()
        at.fail("a dump of a ztunnel is a JSON object")
    found: dict[str, Any] = {}
    lines: dict[str, int] = {}

    def row(line: int) -> Any:
        value = at.value()
        if isinstance(value, Mapping):
            lines.setdefault(str(value.get("uid") or value.get("hostname")), line)
        return value

    for key in at.members():
        if key.lower() not in {"services", "workloads"} or at.opens not in "[{":
            found[key] = at.value()
        elif at.opens == "[":
            found[key] = [row(line) for line in at.elements()]
        else:
            found[key] = {name: row(at.line) for name in at.members()}
    at.end()
    return found, lines


def _placed(tables: ZtunnelTables, lines: Mapping[str, int]) -> ZtunnelTables:
    """The tables with the line of every row in what says where it comes from."""

    def at(why: tuple[Fact, ...], name: str) -> tuple[Fact, ...]:
        line = lines.get(name, 0)
        return tuple(
            replace(one, evidence=replace(one.evidence, line=line)) if isinstance(one.evidence, Dumped) else one
            for one in why
        )

    return ZtunnelTables(
        network=tables.network,
        services=[
            replace(s, waypoint_why=at(s.waypoint_why, s.hostname), balancing_why=at(s.balancing_why, s.hostname))
            for s in tables.services.values()
        ],
        workloads=[replace(w, why=at(w.why, w.uid)) for w in tables.workloads.values()],
    )
