"""The requests that people would see: a call's exact shares drawn as a curl loop would meet them.

A sample depends on the seed and on names (scenario, client, callee, path, headers) alone. Its intervals count what
was drawn independently: requests, or the connections that they shared.
"""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Final, final

from meshsim.analysis.asked import Asked
from meshsim.analysis.calls import Call
from meshsim.analysis.power import Comparison, PowerNote, causes, for_row
from meshsim.analysis.situation import Situation
from meshsim.analysis.statistics import exact_interval
from meshsim.model.frozen import frozen
from meshsim.model.shares import ZERO, total
from meshsim.model.trace import Delivered, Failed, Open, Path, Step
from meshsim.model.verdict import Row, Verdict
from meshsim.simulation.traffic_client import Traffic
from meshsim.simulation.units import LAWS, LEAST_REQUEST, Client, Unit, draws, plan, units, ways

if TYPE_CHECKING:
    from meshsim.tables.envoy import Proxy

At = float | str
CONFIDENCE: Final = Fraction(95, 100)


@final
@frozen
class Leaf:
    """One outcome of a call: where a request ends, and what its sender reads. `error` is "" where it is answered."""

    share: Fraction
    version: str
    pod: str
    cluster: str
    error: str = ""


@final
@frozen
class Tally:
    """How often something was seen, its exact share, and the 95 % interval of the share that was seen."""

    name: str
    count: int
    share: Fraction
    low: float
    high: float


@final
@frozen
class Sample:
    """One client's requests. `counts` are per leaf; `draws` the independent draws they amount to (`unit`).

    `rows` are the call's verdicts, `power` what a check of each would need, `against` what an applied split's check
    would need to rule out each bypass cause. Without leaves, `why_not` says why nothing can be drawn.
    """

    rows: tuple[Row, ...]
    requests: int
    seed: int
    client: Client
    leaves: tuple[Leaf, ...] = ()
    counts: tuple[int, ...] = ()
    unit: str = "request"
    draws: int = 0
    laws: tuple[str, ...] = ()
    power: tuple[PowerNote, ...] = ()
    against: tuple[tuple[str, Comparison], ...] = ()
    why_not: str = ""
    traffic: Traffic | None = None

    def by(self, kind: str) -> tuple[Tally, ...]:
        """Tallies by `version`, `pod` or `cluster`; failed requests count under what their sender reads."""
        names = [leaf.error or str(getattr(leaf, kind)) for leaf in self.leaves]
        shares = total(zip(names, (leaf.share for leaf in self.leaves), strict=True))
        counts: dict[str, int] = {}
        for name, count in zip(names, self.counts, strict=True):
            counts[name] = counts.get(name, 0) + count
        order = sorted(counts, key=lambda name: (-counts[name], name))
        return tuple(self._tally(name, counts[name], shares.get(name, ZERO)) for name in order)

    def _tally(self, name: str, count: int, share: Fraction) -> Tally:
        low, high = 0.0, 1.0
        if self.draws:
            hits = count if self.draws == self.requests else round(Fraction(count * self.draws, self.requests))
            low, high = exact_interval(hits, self.draws, CONFIDENCE)
        return Tally(name=name, count=count, share=share, low=low, high=high)

    def labels(self, stop: int | None = None, start: int = 0) -> "array[int]":
        """Leaf numbers of the requests start … stop-1."""
        if self.traffic is None:
            return array("B")
        return self.traffic.labels(self.requests if stop is None else stop, start)


def sample(
    session: Asked,
    *,
    requests: int | None = None,
    seed: int | None = None,
    at: At | None = None,
    mode: str = "auto",
    frm: str | None = None,
    client: Client | None = None,
) -> tuple[tuple[At | None, tuple[Sample, ...]], ...]:
    """Samples of every call (or of one client) at each moment asked for.

    `requests` and `seed` default to the scenario's `sampling`; `client` to the call's `connection` and the scenario's
    `traffic.concurrency`.
    """
    number = session.scenario.sampling.requests if requests is None else requests
    chosen = session.scenario.sampling.seed if seed is None else seed
    found = []
    for moment, _ in session.moments(at, mode):
        situation = session.situation(moment, mode)
        calls = session.rows(moment, mode)
        rows = [row for _, several in calls for row in several]
        wanted = [(call, several) for call, several in calls if frm in {None, call.caller.name}]
        made = tuple(
            _sample(
                session.scenario.name, situation, call, several, rows, number, chosen, _client(session, call, client)
            )
            for call, several in wanted
        )
        found.append((moment, made))
    return tuple(found)


def _client(session: Asked, call: Call, given: Client | None) -> Client:
    if given is not None:
        return given
    busy = session.scenario.traffic.concurrency
    if busy is None:
        return Client(connection=call.connection)
    return Client(connection=call.connection, concurrency=busy, pool=busy)


def _sample(
    scenario: str,
    situation: Situation,
    call: Call,
    rows: tuple[Row, ...],
    others: Sequence[Row],
    requests: int,
    seed: int,
    client: Client,
) -> Sample:
    bare = Sample(rows=rows, requests=requests, seed=seed, client=client)
    trace = rows[0].trace
    paths = ways(trace)
    if any(isinstance(path.outcome, Open) for path in paths) or rows[0].verdict is Verdict.UNDETERMINED:
        why = "; ".join(rows[0].notes) or "the call is undetermined"
        return replace(bare, why_not=f"nothing can be drawn: {why}")
    policies: dict[str, None] = {}

    def policy(step: Step) -> str:
        found = policy_of(situation, call, step)
        if len(step.children) > 1:
            policies[found] = None
        return found

    choice = plan(trace, client, policy)
    headers = [f"{name}={value}" for name, value in sorted(call.headers.items())]
    names = (scenario, call.caller.name, call.address, call.path, *headers)
    traffic = Traffic(choice=choice, client=client, width=len(paths), seed=seed, names=names)
    found = units(choice)
    unit = str(next((u for u in (Unit.POOLED, Unit.CONNECTION, Unit.SESSION) if u in found), Unit.REQUEST))
    applied = [row for row in rows if row.verdict is Verdict.APPLIED]
    return replace(
        bare,
        leaves=tuple(_leaf(situation, path) for path in paths),
        counts=traffic.counts(requests),
        unit=unit,
        draws=draws(client, found, requests),
        laws=(*(LAWS[unit] for unit in found), *((LEAST_REQUEST,) if "LEAST_REQUEST" in policies else ())),
        power=tuple(note for row in rows if (note := for_row(row, unit)) is not None),
        against=tuple(pair for row in applied for pair in causes(row, others)),
        traffic=traffic,
    )


def _leaf(situation: Situation, path: Path) -> Leaf:
    outcome = path.outcome
    if isinstance(outcome, Delivered):
        pod = situation.plane.registry.pod_by_uid.get(outcome.workload)
        return Leaf(
            share=path.share,
            version=pod.image if pod is not None else "?",
            pod=pod.path if pod is not None else outcome.workload,
            cluster=outcome.cluster,
        )
    assert isinstance(outcome, Failed)
    said = f"{outcome.code} {outcome.flag}".strip()
    return Leaf(share=path.share, version="", pod="", cluster="", error=said)


def policy_of(situation: Situation, call: Call, step: Step) -> str:
    """The balancing policy of the Envoy cluster that an HTTP step chose; Istio's default where it cannot be told."""
    use = step.route
    proxy = next((p for p in _proxies(situation, call, step) if p is not None), None)
    chain = proxy.chains.get(call.address) if proxy is not None else None
    if use is None or proxy is None or chain is None:
        return "LEAST_REQUEST"
    for route in chain.routes:
        if (route.object, route.rule) == (use.object, use.rule):
            for weighted in route.clusters:
                cluster = proxy.clusters.get(weighted.cluster)
                if weighted.backend == use.backend and cluster is not None:
                    return cluster.lb
    return "LEAST_REQUEST"


def _proxies(situation: Situation, call: Call, step: Step) -> "Sequence[Proxy | None]":
    from meshsim.tables.workload import Locality

    if not step.hop.startswith(("waypoint:", "gateway:", "sidecar:")):
        return ()
    localities = dict.fromkeys((Locality(), *(client.locality for _, client in call.caller.clients)))
    return [situation.plane.proxy(step.hop, locality) for locality in localities]


def by_role(found: Sample, role_of: Mapping[str, str]) -> dict[str, int]:
    """Counts by role, from each pod's role (`stable`, `canary`, `other`); errors under `error`."""
    counts: dict[str, int] = {}
    for leaf, count in zip(found.leaves, found.counts, strict=True):
        role = "error" if leaf.error else role_of.get(leaf.pod, "other")
        counts[role] = counts.get(role, 0) + count
    return counts
