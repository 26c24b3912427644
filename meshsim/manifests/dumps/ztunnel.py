"""A ztunnel's tables from a file: `istioctl ztunnel-config all -o json`, or its admin port's `/config_dump`."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import field
from typing import Any, final

from meshsim.manifests.sources import read_bytes
from meshsim.model.errors import InputError
from meshsim.model.evidence import Dumped, Source
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
    content = read_bytes(path)
    mapping = _mapping(content, path)
    keys = {str(key).lower() for key in mapping}
    missing = [what for what in ("services", "workloads") if what not in keys]
    if missing:
        msg = f"this is no dump of a ztunnel: it has no {' and no '.join(missing)}"
        raise InputError(msg, where=Source(path), hint=HOW)
    try:
        tables = ztunnel_tables(mapping, evidence=Dumped(path))
    except InputError as error:
        raise InputError(error.message, where=Source(path), hint=error.hint) from None
    return ZtunnelDump(path=path, digest=hashlib.sha256(content).hexdigest(), tables=tables)


def _mapping(content: bytes, path: str) -> Mapping[str, Any]:
    try:
        found = json.loads(content)
    except json.JSONDecodeError as error:
        msg = f"this is no JSON: {error.msg}"
        raise InputError(msg, where=Source(path, error.lineno, error.colno), hint=HOW) from None
    except (ValueError, RecursionError) as error:
        said = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        msg = f"this is no JSON that can be read: {said}"
        raise InputError(msg, where=Source(path), hint=HOW) from None
    if not isinstance(found, Mapping):
        msg = "a dump of a ztunnel is a JSON object"
        raise InputError(msg, where=Source(path), hint=HOW)
    return found
