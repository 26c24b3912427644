"""Which hosts of an Envoy's cluster fail every request of a call, and what share each gets, asked of the data plane.

A host's share is what arrives where its place is taken by a mark; its errors are those that appear once it alone is no
mark. So whatever lies behind a host (a pod, another network, another Envoy) counts as it really answers.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import field, replace
from fractions import Fraction
from typing import Final, NamedTuple, final

from meshsim.analysis.calls import Call
from meshsim.analysis.hostviews import MarkedPlane
from meshsim.analysis.judge import judge
from meshsim.analysis.situation import Situation
from meshsim.dataplane.resolve import resolve
from meshsim.model.frozen import frozen
from meshsim.model.shares import ZERO, total
from meshsim.model.trace import Failed, Open, Trace
from meshsim.model.verdict import Row
from meshsim.tables.envoy import Cluster
from meshsim.tables.workload import Locality

MARK: Final = "host under test: "
MOST_HOSTS: Final = 1000
"""Hosts of one cluster that are looked at one by one."""


class Detection(NamedTuple):
    """One cluster of one Envoy that ejects: its decision point, where it runs, the cluster's name."""

    hop: str
    place: str
    cluster: str


class Host(NamedTuple):
    """One host of such a cluster, by address."""

    at: Detection
    address: str


@final
@frozen
class Flow:
    """A call's row while some hosts are out; of the failing hosts that are in, the share of each by what its requests
    read; the clusters on the way that eject; and why some of it cannot be followed."""

    row: Row | None
    failing: Mapping[Host, Mapping[str, Fraction]] = field(default_factory=dict)
    clusters: Mapping[Detection, Cluster] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@final
class HostView:
    """One call at one moment, with any hosts out."""

    def __init__(self, now: Situation, seen: Situation, call: Call, like: Row) -> None:
        """`seen` is the situation as late proxies see it, `like` a row of the call: its Rollout is the one meant."""
        self._now, self._seen, self._call, self._like = now, seen, call, like
        self._known: dict[frozenset[Host], Flow] = {}

    def flow(self, out: frozenset[Host]) -> Flow:
        """What the call gets while these hosts are out."""
        if out not in self._known:
            self._known[out] = self._flow(out)
        return self._known[out]

    def _flow(self, out: frozenset[Host]) -> Flow:
        asked: dict[Detection, Cluster] = {}
        plane = self._plane(out, {}, asked)
        situation = Situation(self._seen.deployed, plane=plane, correct=self._seen.correct)
        rows = [row for row in judge(situation, self._call) if row.rollout == self._like.rollout]
        row = rows[0] if rows else None
        if row is None or row.effective is None or not row.effective.error:
            return Flow(row=row, clusters=asked)
        whole = self._errors(self._trace(out, {}))
        failing: dict[Host, Mapping[str, Fraction]] = {}
        notes: dict[str, None] = {}
        for at, cluster in asked.items():
            shares, base = self._without(out, at, cluster)
            if sum(base.values()) == sum(whole.values()):
                continue
            excuse = self._excuse(at, cluster)
            if excuse:
                notes[excuse] = None
                continue
            for address, share in shares.items():
                host = Host(at, address)
                marks = {at: frozenset(e.address for e in cluster.hosts) - {address}}
                errors = self._errors(self._trace(out, marks))
                own = {name: errors[name] - base.get(name, ZERO) for name in errors}
                own = {name: part for name, part in own.items() if part}
                if sum(own.values()) == share and host not in out:
                    failing[host] = own
                elif own and sum(own.values()) != share:
                    notes[f"{at.hop}: {address} fails a part of its requests; its ejection is not followed"] = None
        told = total((name, share) for own in failing.values() for name, share in own.items())
        if any(share > whole.get(name, ZERO) for name, share in told.items()):
            notes["one request's error counts at several Envoys on its way: their ejections are not followed"] = None
            failing = {}
        return Flow(row=row, failing=failing, clusters=asked, notes=tuple(notes))

    def _without(
        self, out: frozenset[Host], at: Detection, cluster: Cluster
    ) -> tuple[dict[str, Fraction], dict[str, Fraction]]:
        """What arrives at each host of a cluster, and the errors of everything else."""
        trace = self._trace(out, {at: frozenset(e.address for e in cluster.hosts)})
        shares = total(
            (path.outcome.question.removeprefix(MARK), path.share)
            for path in trace.paths()
            if isinstance(path.outcome, Open) and path.outcome.question.startswith(MARK)
        )
        return dict(sorted(shares.items())), self._errors(trace)

    def _excuse(self, at: Detection, cluster: Cluster) -> str:
        """Why ejection cannot be followed there, if so."""
        assert cluster.outlier is not None
        if cluster.outlier.limits:
            said = ", ".join(cluster.outlier.limits)
            return f"{at.hop}: {said} of {at.cluster} is not modelled, so its ejections are not followed"
        pods = self._now.plane.registry.pod_by_uid
        rows = [self._now.plane.pod(uid) for uid, pod in pods.items() if pod.ready]
        envoys = sum(row is not None and row.proxy == at.hop for row in rows)
        if envoys > 1:
            return f"{at.hop} is {envoys} Envoys, and each counts its own errors: their ejections are not followed"
        if len(cluster.hosts) > MOST_HOSTS:
            return f"{at.hop}: {at.cluster} has {len(cluster.hosts):,} hosts; its ejections are not followed"
        if any(isinstance(p.outcome, Open) for p in self._trace(frozenset(), {}).paths()):
            return f"{at.hop}: what the sources leave open keeps its ejections from being followed"
        return ""

    def _plane(
        self, out: frozenset[Host], marks: Mapping[Detection, AbstractSet[str]], asked: dict[Detection, Cluster]
    ) -> MarkedPlane:
        def change(ident: str, locality: Locality, cluster: Cluster) -> Cluster:
            if cluster.outlier is None:
                return cluster
            at = Detection(ident, str(locality), cluster.name)
            asked[at] = cluster
            marked = marks.get(at, frozenset())
            endpoints = tuple(
                replace(
                    e,
                    healthy=e.healthy and Host(at, e.address) not in out,
                    stranger=f"{MARK}{e.address}" if e.address in marked else e.stranger,
                )
                for e in cluster.endpoints
            )
            return replace(cluster, endpoints=endpoints)

        return MarkedPlane(self._seen.plane, change)

    def _trace(self, out: frozenset[Host], marks: Mapping[Detection, AbstractSet[str]]) -> Trace:
        call, plane = self._call, self._plane(out, marks, {})
        return self._seen.correct(
            resolve(plane, call.caller.clients, call.target, call.request, self._seen.mesh.assume)
        )

    @staticmethod
    def _errors(trace: Trace) -> dict[str, Fraction]:
        """The shares that Envoy counts as errors of a host, by what the client reads: answers of 500 and above, and
        connections that fail or break (which count as 503)."""
        return dict(
            total(
                (f"{path.outcome.code} {path.outcome.flag}".strip(), path.share)
                for path in trace.paths()
                if isinstance(path.outcome, Failed) and not path.outcome.code.startswith("4")
            )
        )
