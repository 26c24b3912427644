"""A validated scenario document as the plain values of `scenario`, with the checks that span several fields."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, final

from pydantic_core import ValidationError

from meshsim.manifests.inventory import Inventory, Skipped
from meshsim.manifests.located import Located
from meshsim.manifests.manifest import Manifest
from meshsim.manifests.overlay import Path
from meshsim.manifests.sources import Wanted
from meshsim.model.errors import InputError, MeshsimError, raise_all
from meshsim.model.evidence import Source
from meshsim.model.questions import QUESTIONS, choosable
from meshsim.model.reasons import REASONS, find
from meshsim.scenario import references
from meshsim.scenario.dumps import DumpReader
from meshsim.scenario.entries import misfits
from meshsim.scenario.notation import Unfit, check_cluster_name, did_you_mean, lag, nearest
from meshsim.scenario.scenario import (
    DEFAULT_DIALECT,
    FAMILIES,
    ArgoVersions,
    CallSpec,
    ClusterSpec,
    Entry,
    Expectation,
    Lag,
    Propagation,
    Sampling,
    Scenario,
    Timing,
    Traffic,
)
from meshsim.scenario.schema import validated
from meshsim.scenario.verbs import COMMON

ReadCluster = Callable[[Sequence[Wanted]], tuple[tuple[Manifest, ...], Inventory]]
"""Reads a cluster's sources: its objects, and what was not read."""


def scenario(document: Located, base: str, read: ReadCluster) -> Scenario:
    """The scenario of a document whose relative paths resolve against `base`."""
    try:
        file = validated(document.value)
    except ValidationError as error:
        from meshsim.scenario.complaints import complaints

        raise_all(complaints(error, document))
        raise
    return _Builder(document, base, read, file).build()


@final
class _Builder:
    """Gathers errors on the way, so that all of a file's are said at once."""

    def __init__(self, document: Located, base: str, read: ReadCluster, file: Mapping[str, Any]) -> None:
        self.document = document
        self.base = base
        self.read = read
        self.file = file
        self.errors: list[InputError] = []
        self.inventory: dict[str, Inventory] = {}

    def build(self) -> Scenario:
        file = self.file
        clusters = {name: self._cluster(name, cluster) for name, cluster in file["clusters"].items()}
        built = Scenario(
            name=file.get("name") or self._default_name(),
            path=self.document.file,
            dialect=file.get("dialect", DEFAULT_DIALECT),
            argo_controller=file.get("argo", {}).get("controller"),
            argo_gatewayapi=file.get("argo", {}).get("gatewayapi"),
            dataplane=file.get("dataplane"),
            clusters=clusters,
            peering=self._peering(),
            calls=tuple(self._call(index, call) for index, call in enumerate(file.get("calls", ()))),
            traffic=Traffic(**file.get("traffic", {})),
            timing=Timing(**file.get("timing", {})),
            propagation=self._propagation(),
            assume=self._assumed(),
            timeline=tuple(self._entry(index, entry) for index, entry in enumerate(file.get("timeline", ()))),
            expect=tuple(self._expectation(index, expect) for index, expect in enumerate(file.get("expect", ()))),
            sampling=Sampling(**file.get("sampling", {})),
            inventory=self.inventory,
            evidence=self._evidence(("clusters", "calls", "timeline", "expect")),
        )
        raise_all(self.errors)
        return built

    def _default_name(self) -> str:
        return os.path.basename(os.path.dirname(os.path.abspath(self.document.file)))

    def _cluster(self, name: str, cluster: Mapping[str, Any]) -> ClusterSpec:
        at: Path = ("clusters", name)
        try:
            check_cluster_name(name)
        except MeshsimError as error:
            self.errors.append(InputError(error.message, where=self.document.key_place(at), hint=error.hint))
        sources = self.document.value["clusters"][name].get("manifests") or []
        wanted = [
            self.document.child(*at, "manifests", index)
            if isinstance(sources, list)
            else self.document.child(*at, "manifests")
            for index in range(len(sources) if isinstance(sources, list) else 1)
        ]
        manifests: tuple[Manifest, ...] = ()
        try:
            manifests, inventory = self.read(wanted)
            unread = tuple(Skipped(path=kind, why=why) for kind, why in cluster.get("unread", {}).items())
            self.inventory[name] = replace(inventory, skipped=(*inventory.skipped, *unread))
        except InputError as error:
            self.errors.append(error)
        return ClusterSpec(
            name=name,
            network=cluster.get("network"),
            region=cluster.get("region"),
            zone=cluster.get("zone"),
            root=cluster.get("root"),
            dialect=cluster.get("dialect"),
            argo=ArgoVersions(**cluster["argo"]) if cluster.get("argo") is not None else None,
            dataplane=cluster.get("dataplane"),
            manifests=manifests,
            istiod_env=cluster.get("istiod", {}).get("env", {}),
            ztunnel_env=cluster.get("ztunnel", {}).get("env", {}),
            dumps=DumpReader(self.document, self.base, name, self.errors).read(
                cluster.get("dumps", {}), (*at, "dumps")
            ),
            unread=cluster.get("unread", {}),
            evidence={"": self.document.key_place(at), **dict(self._places(at))},
        )

    def _peering(self) -> Any:
        links = self.file.get("peering")
        if not isinstance(links, list):
            return links
        pairs = []
        for index, link in enumerate(links):
            at: Path = ("peering", index)
            ends = (link.get("watcher"), link.get("peer")) if isinstance(link, dict) else (None, None)
            if not all(isinstance(end, str) for end in ends) or len(link) != 2:
                self._wrong(at, "a link is {watcher: CLUSTER, peer: CLUSTER}")
                continue
            for key, end in zip(("watcher", "peer"), ends, strict=True):
                self._check(references.cluster, str(end), (*at, key))
            if ends[0] == ends[1]:
                self._wrong(at, f"{ends[0]} cannot be its own peer")
            pairs.append(ends)
        return tuple(pairs)

    def _assumed(self) -> Mapping[str, str]:
        given: Mapping[str, str] = self.file.get("assume", {})
        for key, chosen in given.items():
            if key not in QUESTIONS:
                self._wrong(("assume", key), f"unknown key {key!r} in assume", did_you_mean(key, QUESTIONS), key=True)
            elif chosen not in (known := choosable(key, tuple(self.file["clusters"]))):
                msg = f"assume.{key}: {chosen!r} is no reading that meshsim models"
                self._wrong(("assume", key), msg, f"known: {', '.join(known)}")
        return given

    def _call(self, index: int, call: Mapping[str, Any]) -> CallSpec:
        at: Path = ("calls", index)
        path = call.get("path", "/")
        self._check(references.caller, call["from"], (*at, "from"))
        if not path.startswith("/"):
            self._wrong((*at, "path"), f"the path {path!r} must start with /", f"write /{path}")
        self._check(references.called, call["to"], (*at, "to"))
        return CallSpec(
            frm=call["from"],
            to=call["to"],
            path=path,
            headers=call.get("headers", {}),
            connection=call.get("connection", "new"),
            source=self.document.place(at),
        )

    def _propagation(self) -> Propagation:
        given = self.file.get("propagation", {})
        per = given.get("per", {})
        lags = self._lags({key: value for key, value in given.items() if key != "per"}, ("propagation",))
        owners: dict[str, Mapping[str, Lag]] = {}
        for name, families in per.items() if isinstance(per, dict) else ():
            at: Path = ("propagation", "per", name)
            self._check(references.owner, name, at, key=True)
            if not isinstance(families, dict):
                self._wrong(at, "takes lags by family", "write {endpoints: 5s}")
                continue
            for family in families:
                if family not in FAMILIES and family != "default":
                    self._wrong((*at, family), f"unknown key {family!r}", did_you_mean(family, FAMILIES), key=True)
            owners[name] = self._lags(families, at)
        if not isinstance(per, dict):
            self._wrong(("propagation", "per"), "takes lags by cluster or proxy", "write {cluster2: {routes: 2s}}")
        return Propagation(default=lags.pop("default", (0.0, 0.0)), families=lags, per=owners)

    def _lags(self, given: Mapping[str, Any], at: Path) -> dict[str, Lag]:
        lags: dict[str, Lag] = {}
        for family, value in given.items():
            try:
                lags[family] = lag(value)
            except Unfit as error:
                self._wrong((*at, family), f"{family}: {error}", error.hint)
        return lags

    def _entry(self, index: int, entry: Mapping[str, Any]) -> Entry:
        at: Path = ("timeline", index)
        stated = self.document.value["timeline"][index]
        for wrong in misfits(entry, stated):
            self._wrong((*at, *wrong.path), wrong.message, wrong.hint, key=wrong.key)
        args = {key: value for key, value in entry.items() if key not in COMMON}
        for key, check in _REFERENCES.items():
            if isinstance(args.get(key), str):
                self._check(check, args[key], (*at, key))
        if "manifests" in args:
            sources = stated["manifests"]
            wanted = (
                [self.document.child(*at, "manifests", item) for item in range(len(sources))]
                if isinstance(sources, list)
                else [self.document.child(*at, "manifests")]
            )
            try:
                args["manifests"] = self.read(wanted)[0]
            except InputError as error:
                self.errors.append(error)
        return Entry(
            verb=entry["do"],
            args=args,
            at=entry.get("at"),
            when=entry.get("when"),
            after=entry.get("after") or 0.0,
            source=self.document.place(at),
        )

    def _expectation(self, index: int, expect: Mapping[str, Any]) -> Expectation:
        at: Path = ("expect", index)
        stated = self.document.value["expect"][index]
        if expect.get("at") is not None and expect.get("step") is not None:
            self._wrong((*at, "step"), "at and step are two moments; keep one")
        for key, check in (("from", references.caller), ("to", references.called), ("rollout", references.workload)):
            if expect.get(key) is not None:
                self._check(check, expect[key], (*at, key))
        for number, reason in enumerate(expect.get("reasons") or ()):
            if find(reason) is None:
                place = (*at, "reasons", number) if isinstance(stated["reasons"], list) else (*at, "reasons")
                known = [word for each in REASONS.values() for word in (each.code, each.slug)]
                self._wrong(
                    place, f"there is no reason code {reason!r}", nearest(reason, known) or "`meshsim rules` lists them"
                )
        for name in expect.get("clusters") or ():
            self._check(references.cluster, name, (*at, "clusters", name))
        if not stated.keys() - {"at", "step", "from", "to", "path", "rollout", "never", "known"}:
            self._wrong(at, "this expectation states nothing to compare", "add verdict, canary, reasons, …")
        return Expectation(
            index=index,
            source=self.document.place(at),
            at=f"step:{expect.get('step')}" if expect.get("step") is not None else expect.get("at"),
            frm=expect.get("from"),
            to=expect.get("to"),
            path=expect.get("path"),
            rollout=expect.get("rollout"),
            verdict=expect.get("verdict"),
            masked=expect.get("masked"),
            reasons=tuple(expect["reasons"]) if expect.get("reasons") is not None else None,
            canary=expect.get("canary"),
            stable=expect.get("stable"),
            other=expect.get("other"),
            errors=expect.get("errors"),
            clusters=expect.get("clusters"),
            decided_by=expect.get("decided_by"),
            never=expect.get("never", False),
            known=expect.get("known"),
            stated=stated,
        )

    def _check(self, check: Callable[[str, Any], None], value: str, at: Path, *, key: bool = False) -> None:
        try:
            check(value, self.file["clusters"])
        except Unfit as error:
            self._wrong(at, str(error), error.hint, key=key)

    def _wrong(self, at: Path, message: str, hint: str = "", *, key: bool = False) -> None:
        where = self.document.key_place(at) if key else self.document.place(at)
        self.errors.append(InputError(message, where=where, hint=hint))

    def _evidence(self, without: tuple[str, ...]) -> dict[str, Source]:
        return {key: place for key, place in self._places(()) if key.split(".")[0] not in without}

    def _places(self, at: Path) -> list[tuple[str, Source]]:
        """The place of every value below `at`, by dotted name."""
        found: list[tuple[str, Source]] = []
        value = self.document.value
        for step in at:
            value = value[step]
        pending: list[Path] = [(key,) for key in value if key not in {"manifests", "clusters", "timeline", "expect"}]
        while pending:
            path = pending.pop(0)
            inner = value
            for step in path:
                inner = inner[step]
            found.append((".".join(map(str, path)), self.document.place((*at, *path))))
            keys = inner if isinstance(inner, dict) else range(len(inner)) if isinstance(inner, list) else ()
            pending += [(*path, key) for key in keys]
        return found


_REFERENCES: Mapping[str, Callable[[str, Any], None]] = {
    "rollout": references.workload,
    "workload": references.workload,
    "object": references.object_,
    "target": references.target,
    "cluster": references.cluster,
}
