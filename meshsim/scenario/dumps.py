"""`dumps:` of a cluster: files in which live proxies say what they hold."""

import os
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, final

from meshsim.manifests.located import Located
from meshsim.manifests.overlay import Path
from meshsim.model.errors import InputError
from meshsim.scenario.scenario import Dumps

if TYPE_CHECKING:
    from meshsim.manifests.dumps.envoy import EnvoyDump
    from meshsim.manifests.dumps.ztunnel import ZtunnelDump

PROXY: Final = "waypoint:NAMESPACE/NAME, gateway:NAMESPACE/NAME or sidecar:NAMESPACE/WORKLOAD"
MOST_FILES: Final = 6
"""A config_dump, a clusters, and what istioctl's `proxy-config` prints piece by piece."""
_NAMED: Final = re.compile(r"(waypoint|gateway|ingress|sidecar):([^/\s]+)/([^/\s]+)(?:/([^/\s]+))?")


def proxy_key(name: str, cluster: str) -> str:
    """A proxy without its cluster, `gateway:` for `ingress:`, too; "" where the text names none of this cluster.

    >>> proxy_key("ingress:east/shop/front", "east"), proxy_key("waypoint:shop/waypoint", "east")
    ('gateway:shop/front', 'waypoint:shop/waypoint')
    """
    if name.partition(":")[0] == "eastwest":
        return name
    found = _NAMED.fullmatch(name)
    if found is None or (found[4] and found[2] != cluster):
        return ""
    kind = "gateway" if found[1] == "ingress" else found[1]
    return f"{kind}:{found[3]}/{found[4]}" if found[4] else f"{kind}:{found[2]}/{found[3]}"


@final
class DumpReader:
    """Reads the files that one cluster's `dumps:` names; what is wrong is gathered in `errors`."""

    def __init__(self, document: Located, base: str, cluster: str, errors: list[InputError]) -> None:
        self._document, self._base, self._cluster, self._errors = document, base, cluster, errors

    def read(self, dumps: Mapping[str, Any], at: Path) -> Dumps:
        """The dumps."""
        said = dumps.get("ztunnel")
        by_proxy = dumps.get("envoy") or {}
        if not isinstance(by_proxy, dict):
            self._wrong((*at, "envoy"), "dumps of Envoys are {PROXY: FILE}", "write {waypoint:NAMESPACE/NAME: FILE}")
            by_proxy = {}
        return Dumps(
            ztunnel=None if said is None else self._ztunnel(said, (*at, "ztunnel")),
            envoy=dict(self._envoys(by_proxy, (*at, "envoy"))),
        )

    def _ztunnel(self, said: Any, at: Path) -> "ZtunnelDump | None":
        from meshsim.manifests.dumps import ztunnel

        path = self._file(said, at)
        try:
            return ztunnel.read(path) if path else None
        except InputError as error:
            self._errors.append(error)
            return None

    def _envoys(self, by_proxy: Mapping[str, Any], at: Path) -> "Iterator[tuple[str, EnvoyDump]]":
        if not by_proxy:
            return
        from meshsim.manifests.dumps import envoy

        for name, said in by_proxy.items():
            key = self._key(name, (*at, name))
            files = said if isinstance(said, list) else [said]
            if not files or len(files) > MOST_FILES:
                self._wrong((*at, name), f"an Envoy's dump is a file, or 2 to {MOST_FILES} of them")
                continue
            paths = [self._file(one, (*at, name)) for one in files]
            if not key or not all(paths):
                continue
            try:
                yield key, envoy.read(paths)
            except InputError as error:
                self._errors.append(error)

    def _key(self, name: Any, at: Path) -> str:
        key = proxy_key(str(name), self._cluster)
        if not key:
            self._wrong(at, f"{name!r} is no proxy of {self._cluster}", f"write {PROXY}", key=True)
        return key

    def _file(self, said: Any, at: Path) -> str:
        if not isinstance(said, str):
            self._wrong(at, "a dump is a file")
            return ""
        whole = os.path.normpath(os.path.join(self._base, said))
        if not os.path.isfile(whole):
            self._wrong(at, f"there is no file {whole}")
            return ""
        return whole

    def _wrong(self, at: Path, message: str, hint: str = "", *, key: bool = False) -> None:
        where = self._document.key_place(at) if key else self._document.place(at)
        self._errors.append(InputError(message, where=where, hint=hint))
