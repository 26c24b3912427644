"""A scenario's moments as phases for the lab, and what happens between two of them while news is still on its way.

A rollout's news reaches a proxy in no fixed order. Where the routes come first, their new backend may have no cluster
yet (503 NC), a cluster whose hosts are not known yet (503 UH), or the hosts of before. Each of these is a set of tables
of its own, given to the model and to the Envoys alike.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Final, Protocol, final

from meshsim.analysis.calls import Call
from meshsim.analysis.situation import Situation
from meshsim.live.phase import Phase
from meshsim.mesh.mesh import Mesh
from meshsim.model.errors import UsageError
from meshsim.model.verdict import Row
from meshsim.scenario.scenario import Scenario
from meshsim.simulation.timeline import record
from meshsim.tables.envoy import Chain, Cluster, Proxy
from meshsim.tables.views import ClusterView, PodRow, Views
from meshsim.tables.workload import Locality

MOST_INSTANTS: Final = 500
At = float | str
"""Seconds since the start, `step:N` or `weight:W`."""


class Subject(Protocol):
    """A loaded scenario that can be asked for its state at a moment (`meshsim.session.Session`)."""

    scenario: Scenario
    mesh: Mesh

    def situation(self, at: At | None, mode: str = "auto") -> Situation: ...
    def rows(self, at: At | None, mode: str = "auto") -> tuple[tuple[Call, tuple[Row, ...]], ...]: ...
    def moments(self, at: At | None, mode: str = "auto") -> tuple[tuple[At | None, int | None], ...]: ...


class News(StrEnum):
    """How far the news of a new backend has come when the routes are there already."""

    NO_CLUSTER = "the new backend has no cluster yet"
    NO_HOSTS = "the new backend's hosts are not known yet"
    OLD_HOSTS = "the new backend's hosts are those of before"


def phases(subject: Subject, at: At | None = None, mode: str = "auto") -> tuple[Phase, ...]:
    """What the lab is to show: the moment asked for; without one, the timeline phase by phase, or the probes."""
    if at is None and subject.scenario.timeline:
        subject.situation(None, mode)  # one recording up to rest serves every instant
        return tuple(_with_gaps([_phase(subject, instant, mode) for instant in instants(subject, mode)]))
    return tuple(_phase(subject, moment, mode) for moment, _ in subject.moments(at, mode))


def instants(subject: Subject, mode: str = "auto") -> tuple[float, ...]:
    """The instants at which something happens, from the start until everything is at rest."""
    scenario = subject.scenario
    history = record(subject.mesh, scenario.timeline, scenario.timing, mode, None)
    found = tuple(instant for instant, *_ in history.instants())
    if len(found) > MOST_INSTANTS:
        msg = f"the timeline has {len(found):,} instants, and the lab replays {MOST_INSTANTS} at most"
        raise UsageError(msg, hint="name a moment: --at 240s")
    return found


def _phase(subject: Subject, at: At | None, mode: str) -> Phase:
    situation = subject.situation(at, mode)
    name = "at rest" if at is None else at if isinstance(at, str) else f"{at:g}s"
    calls = tuple(call for call, _ in subject.rows(at, mode))
    return Phase(name=name, views=situation.plane, calls=calls, choices=situation.mesh.assume)


def _with_gaps(moments: Sequence[Phase]) -> Iterator[Phase]:
    """Phases with what lies between them, where routes begin to use a backend; moments that change nothing left out."""
    before: Phase | None = None
    shown: tuple[object, ...] | None = None
    for moment in moments:
        if before is not None:
            yield from between(before, moment)
        answers = _answers(moment)
        if answers != shown:
            yield moment
        before, shown = moment, answers


def between(before: Phase, after: Phase) -> Iterator[Phase]:
    """The phases between two moments while news is on its way, where the model answers differently in them."""
    seen = [_answers(before), _answers(after)]
    for news in News:
        gap = replace(after, name=f"{before.name} → {after.name}: {news}", views=Late(before.views, after.views, news))
        answers = _answers(gap)
        if answers not in seen:
            seen.append(answers)
            yield gap


def _answers(phase: Phase) -> tuple[object, ...]:
    """What the model says at a phase, to tell phases apart."""
    from meshsim.dataplane.resolve import resolve
    from meshsim.live.agree import expected

    return tuple(
        (call.caller.name, call.address, call.path, sorted(expected(trace, phase.views).items(), key=str))
        for call in phase.calls
        for trace in [resolve(phase.views, call.caller.clients, call.target, call.request, phase.choices)]
    )


@final
class Late:
    """Tables whose routes are new, while the clusters that they begin to use are not. Implements `Views`."""

    def __init__(self, before: Views, after: Views, news: News) -> None:
        self.before = before
        self.after = after
        self.news = news
        self._proxies: dict[tuple[str, Locality], Proxy | None] = {}

    def cluster(self, name: str) -> ClusterView:
        """One cluster's tables: they have arrived."""
        return self.after.cluster(name)

    def pod(self, uid: str) -> PodRow | None:
        """One pod, also one that is gone by now."""
        return self.after.pod(uid) or self.before.pod(uid)

    def pod_at(self, network: str, ip: str) -> str | None:
        """The pod at an IP."""
        return self.after.pod_at(network, ip) or self.before.pod_at(network, ip)

    def proxy(self, ident: str, locality: Locality) -> Proxy | None:
        """One Envoy's tables, with its new routes and its late clusters."""
        key = (ident, locality)
        if key not in self._proxies:
            old, new = self.before.proxy(ident, locality), self.after.proxy(ident, locality)
            self._proxies[key] = _late(old, new, self.news) if old is not None and new is not None else new
        return self._proxies[key]


def _late(old: Proxy, new: Proxy, news: News) -> Proxy:
    chains = _Chains(old, new)
    return replace(new, chains=chains, clusters=_Clusters(old, new, chains, news))


@final
class _Chains(Mapping[str, Chain]):
    """The new chains; those asked for tell which clusters they begin to use."""

    def __init__(self, old: Proxy, new: Proxy) -> None:
        self._old = old
        self._new = new
        self.begun: set[str] = set()

    def __getitem__(self, address: str) -> Chain:
        chain = self._new.chains[address]
        self.begun |= _used(chain) - _used(self._old.chains.get(address))
        return chain

    def __iter__(self) -> Iterator[str]:
        return iter(self._new.chains)

    def __len__(self) -> int:
        return len(self._new.chains)


def _used(chain: Chain | None) -> set[str]:
    routes = chain.routes if chain is not None else ()
    return {weighted.cluster for route in routes for weighted in route.clusters if weighted.weight}


@final
class _Clusters(Mapping[str, Cluster]):
    """The clusters of a proxy, of which those that its routes begin to use are late."""

    def __init__(self, old: Proxy, new: Proxy, chains: _Chains, news: News) -> None:
        self._old = old
        self._new = new
        self._chains = chains
        self._news = news

    def __getitem__(self, name: str) -> Cluster:
        cluster = self._new.clusters[name]
        if name not in self._chains.begun:
            return cluster
        if self._news is News.NO_CLUSTER:
            raise KeyError(name)
        before = self._old.clusters.get(name) if self._news is News.OLD_HOSTS else None
        return replace(cluster, endpoints=before.endpoints if before is not None else ())

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._new.clusters if name in self)

    def __contains__(self, name: object) -> bool:
        late = name in self._chains.begun and self._news is News.NO_CLUSTER
        return not late and name in self._new.clusters

    def __len__(self) -> int:
        return sum(1 for _ in self)
