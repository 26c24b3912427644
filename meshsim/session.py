"""A scenario loaded and ready to be asked, again and again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

from meshsim.analysis import expectations as expecting
from meshsim.analysis.calls import Call, default_calls, expand
from meshsim.analysis.judge import judge, trace_of
from meshsim.analysis.situation import Situation
from meshsim.analysis.unrouted import unrouted
from meshsim.manifests.inventory import sentences
from meshsim.mesh.build import build_mesh
from meshsim.mesh.mesh import Cluster, Mesh
from meshsim.model.errors import InputError, UsageError
from meshsim.model.evidence import Source
from meshsim.model.trace import Trace
from meshsim.model.verdict import Answer, At, Checked, Explanation, Moment, Row
from meshsim.scenario import load as loading
from meshsim.scenario.scenario import CallSpec, Expectation, Scenario
from meshsim.simulation.deployment import Deployed, in_progress, probe, weights_to_probe
from meshsim.simulation.events import History
from meshsim.simulation.propagation import has_lags
from meshsim.simulation.timeline import micro, record

if TYPE_CHECKING:
    from concurrent.futures import Executor

    import networkx as nx

    from meshsim.analysis.compare import Difference
    from meshsim.analysis.matrix import VerdictMatrix
    from meshsim.analysis.sampling import Sample
    from meshsim.analysis.sweep import Sweep
    from meshsim.live.outcomes import Result
    from meshsim.model.timeline import Timeline


_POLICIES: Final = ("AuthorizationPolicy", "PeerAuthentication")
"""Kinds by which clients are told apart by their identity."""


def load(
    source: str | Path | Mapping[str, str | Sequence[str]],
    *,
    stdin: Callable[[], bytes] | None = None,
    dialect: str | None = None,
    dataplane: str | None = None,
) -> "Session":
    """Load a scenario file (or a directory that has a `scenario.yaml`), or clusters as {name: manifests}.

    `dialect` and `dataplane` are for clusters without a scenario file. Raises InputError.
    """
    if isinstance(source, Mapping):
        clusters = {name: [paths] if isinstance(paths, str) else list(paths) for name, paths in source.items()}
        scenario = loading.from_clusters(clusters, stdin=stdin)
        from dataclasses import replace

        scenario = replace(scenario, dialect=dialect or scenario.dialect, dataplane=dataplane or scenario.dataplane)
        return Session(scenario)
    path = Path(source)
    if (path / "scenario.yaml").is_file():
        path = path / "scenario.yaml"
    return Session(loading.load(str(path), stdin=stdin))


@final
class Session:
    """One scenario: its Mesh at the start, and its answers at any moment."""

    def __init__(self, scenario: Scenario, mesh: Mesh | None = None) -> None:
        self.scenario = scenario
        self.mesh = mesh if mesh is not None else build_mesh(scenario)
        self._histories: dict[str, list[tuple[float | None, History]]] = {}
        self._situations: dict[tuple[At | None, str], Situation] = {}
        self._stated: tuple[int, frozenset[object]] | None = None
        """How many stated calls there are, and (client, address, path) of each; path None for any."""
        self._rows: dict[tuple[At | None, str, str], tuple[tuple[Call, tuple[Row, ...]], ...]] = {}

    def situation(self, at: At | None, mode: str = "auto") -> Situation:
        """The Mesh at a moment; None is at rest after the last entry of the timeline."""
        key = (at, mode)
        if key not in self._situations:
            if isinstance(at, str) and at.partition(":")[0] in {"step", "weight"}:
                deployed = probe(self.mesh, at, mode)
            else:
                deployed = self._played(at, mode)
            self._situations[key] = Situation(deployed)
        return self._situations[key]

    def _played(self, at: At | None, mode: str) -> Deployed:
        """The timeline at a moment. One recording serves every moment that it reaches."""
        t, n = micro(at) if isinstance(at, str) else (at, None)
        history = self._history(t, mode)
        if n is not None and t is not None:
            return history.deployed(history.sync(t, n))
        return history.deployed() if t is None else history.deployed(history.upto(t))

    def _history(self, until: float | None, mode: str) -> History:
        """A recording up to an instant, or to rest."""
        for end, history in self._histories.get(mode, ()):
            if end == until or (until is not None and until < self._reach(end, history)):
                return history
        history = record(self.mesh, self.scenario.timeline, self.scenario.timing, mode, until)
        self._histories.setdefault(mode, []).append((until, history))
        return history

    def _reach(self, end: float | None, history: History) -> float:
        """Up to when a recording speaks; one that came to rest, up to the next resync."""
        resync = self.scenario.timing.resync
        return end if end is not None else (history.now // resync + 1) * resync

    def moments(self, at: At | None, mode: str = "auto") -> tuple[tuple[At | None, int | None], ...]:
        """The moments that are asked for: (at, probed weight). Without `at`: at rest after a timeline, as observed
        while a rollout is under way, else the probes of every weight strictly between 0 and 100."""
        if at is not None:
            return ((at, self._weight(at, mode)),)
        if self.scenario.timeline:
            return ((None, None),)
        if mode != "settle" and in_progress(self.mesh):
            return ((0.0, None),)
        return weights_to_probe(self.mesh) or ((0.0, None),)

    def _weight(self, at: At, mode: str) -> int | None:
        if not isinstance(at, str):
            return None
        weights = {r.weight * 100 // r.most for r in self.situation(at, mode).rollouts.values()}
        return weights.pop() if len(weights) == 1 else None

    def answer(self, *, at: At | None = None, mode: str = "auto") -> Answer:
        """The verdict of every call at a moment (or at each probe), and the expectations held against them."""
        moments = self.moments(at, mode)
        if at is None and self.scenario.timeline:
            self._history(None, mode)
        found = []
        for moment, weight in moments:
            rows = tuple(row for _, rows in self.rows(moment, mode) for row in rows)
            found.append(Moment(at=self.stated(moment, mode), weight=weight, rows=rows))
        checked = tuple(self._check(e, moments, at, mode) for e in self.scenario.expect)
        kept = tuple(c for c in checked if c is not None)
        return Answer(
            scenario=self.scenario.name,
            dialect=self.scenario.dialect,
            moments=tuple(found),
            probes=any(isinstance(m, str) for m, _ in moments),
            expectations=kept,
            findings=(*self.findings(), *_nobody_calls(self.situation(moments[0][0], mode), found)),
        )

    def stated(self, moment: At | None, mode: str = "auto") -> At:
        """A moment as it is said: at rest is the last instant at which anything happened."""
        if moment is not None:
            return moment
        states = self.situation(moment, mode).deployed.states.values()
        last = max((e.at or 0.0 for e in self.scenario.timeline), default=0.0)
        return max((last, *(s.now for s in states)))

    def rows(self, at: At | None, mode: str = "auto") -> tuple[tuple[Call, tuple[Row, ...]], ...]:
        """Every call with its rows at a moment."""
        key = (at, mode, "")
        if key not in self._rows:
            situation = self.situation(at, mode)
            late = self._late(at, mode)
            self._rows[key] = late or tuple(self._judged(situation))
        return self._rows[key]

    def _late(self, at: At | None, mode: str) -> tuple[tuple[Call, tuple[Row, ...]], ...]:
        """The rows where updates are still on their way at an instant: those of the worst order of arrival."""
        if not isinstance(at, int | float) or not has_lags(self.scenario.propagation):
            return ()
        from meshsim.analysis.lagging import Lagging

        scenario = self.scenario
        history = record(self.mesh, scenario.timeline, scenario.timing, mode, at)
        return Lagging(history, scenario.propagation).rows_at(self, at)[0]

    def _judged(self, situation: Situation) -> Iterator[tuple[Call, tuple[Row, ...]]]:
        """Every call with its rows; where there are very many, one row for each class of clients."""
        from meshsim.analysis.classes import judged, many, refined

        specs = self._calls()
        if self.scenario.calls and many(situation, specs):
            yield from judged(situation, specs)
        elif self.scenario.calls:
            yield from ((call, judge(situation, call)) for call in self.calls_in(situation))
        else:
            yield from refined(situation, self._unrefined(situation))

    def calls_in(self, situation: Situation) -> list[Call]:
        """Every call that is judged in a situation: the stated ones, or the default ones."""
        calls = self._unrefined(situation)
        if self.scenario.calls or not any(cluster.of(*_POLICIES) for cluster in situation.mesh.clusters.values()):
            return calls
        from meshsim.analysis.classes import refined

        return [call for call, _ in refined(situation, calls)]

    def _unrefined(self, situation: Situation) -> list[Call]:
        """Every call; default ones as if clients differed in capture and place alone, not in who they are."""
        calls = [call for spec in self._calls() for call in expand(situation, spec)]
        if not self.scenario.calls:
            known = {(c.caller.name, c.address, c.path) for c in calls}
            calls = [c for c in default_calls(situation) if (c.caller.name, c.address, c.path) not in known] + calls
        return calls

    def timeline(
        self,
        *,
        frm: str | None = None,
        to: str | None = None,
        until: float | None = None,
        mode: str = "auto",
        micro: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> "Timeline":
        """What happens over time, and what each client gets in every interval of constant routing.

        `frm` and `to` pick calls; `until` ends it (default: at rest). `micro` adds what holds after every single sync.
        `progress` is told (instants done, instants in all).
        """
        from meshsim.analysis.intervals import timeline

        return timeline(self, frm=frm, to=to, until=until, mode=mode, micro=micro, progress=progress)

    def safe_delay(self, rollout: str, *, until: float | None = None, most: int = 600) -> float | None:
        """The smallest `scaleDownDelaySeconds` of `cluster/namespace/name` with which no client gets an error, in
        whatever order updates arrive; None where none up to `most` is enough."""
        from meshsim.analysis.lagging import smallest_delay

        return smallest_delay(
            self.mesh, rollout, lambda mesh: Session(self.scenario, mesh).timeline(until=until), most=most
        )

    def _calls(self) -> list[CallSpec]:
        """The stated calls, and those that an expectation with exact `from` and `to` adds."""
        specs = list(self.scenario.calls)
        seen = {(s.frm, s.to, s.path) for s in specs}
        loose = {(s.frm, s.to) for s in specs}
        for e in self.scenario.expect:
            if e.frm is None or e.to is None or "*" in e.frm:
                continue
            key = (e.frm, e.to, e.path or "/")
            if key in seen or (e.path is None and (e.frm, e.to) in loose):
                continue
            if self._covered(e, specs):
                continue
            seen.add(key)
            loose.add((e.frm, e.to))
            specs.append(CallSpec(frm=e.frm, to=e.to, path=e.path or "/", source=e.source))
        return specs

    def _covered(self, e: Expectation, specs: Sequence[CallSpec]) -> bool:
        """Whether a stated call means the same client, address and path as an expectation."""
        situation = self.situation(0.0)
        try:
            wanted = expand(situation, CallSpec(frm=e.frm or "", to=e.to or "", path=e.path or "/", source=e.source))
            asked = [(_client(call), call.address, None if e.path is None else call.path) for call in wanted]
            if self._stated is None or self._stated[0] != len(specs):
                calls = (call for spec in specs for call in expand(situation, spec))
                known = ((_client(call), call.address, path) for call in calls for path in (call.path, None))
                self._stated = (len(specs), frozenset(known))
        except (InputError, UsageError):
            return False
        return all(one in self._stated[1] for one in asked)

    def _check(
        self, e: Expectation, moments: Sequence[tuple[At | None, int | None]], at: At | None, mode: str
    ) -> Checked | None:
        """An expectation at its own moment, else at all that are asked for; None where `--at` asks for another."""
        if at is not None and e.at is not None and e.at != at:
            return None
        if e.never and at is None and e.at is None and self.scenario.timeline:
            return self._at_no_time(e, mode)
        when: Sequence[At | None] = [e.at] if e.at is not None else [moment for moment, _ in moments]
        try:
            found = [row for moment in when for row in self._selected(e, moment, mode)]
        except UsageError as error:
            if when != [e.at]:
                raise
            raise InputError(error.message.removeprefix("--at "), where=e.source, hint=error.hint) from error
        return expecting.check(e, found)

    def _selected(self, e: Expectation, moment: At | None, mode: str) -> Iterator[Row]:
        """The rows of a moment that an expectation speaks of."""
        situation = self.situation(moment, mode)
        for call, found in self.rows(moment, mode):
            addresses = {id(row): call.address for row in found}
            yield from (row for row in found if expecting.selects(e, row, addresses, situation))

    def _at_no_time(self, e: Expectation, mode: str) -> Checked:
        """A `never` that names no moment, held against every instant at which anything changes for anybody."""
        from dataclasses import replace

        rows: list[Row] = []
        for t in self._instants(mode):
            found = list(self._selected(e, t, mode))
            broken = [row for row in found if expecting.check(replace(e, known=None), [row]).failures]
            if broken:
                checked = expecting.check(e, broken)
                return replace(checked, failures=tuple(f"at {t:g}s: {sentence}" for sentence in checked.failures))
            rows += found
        return expecting.check(e, rows)

    def _instants(self, mode: str) -> list[float]:
        """Every instant at which anything happened, or a late proxy may have heard of it."""
        history = self._history(None, mode)
        found = {t for t, _, _ in history.instants()}
        if has_lags(self.scenario.propagation):
            from meshsim.analysis.lagging import Lagging

            found.update(Lagging(history, self.scenario.propagation).moments())
        return sorted(found)

    def explain(
        self, frm: str, to: str, *, at: At | None = None, path: str | None = None, mode: str = "auto"
    ) -> tuple[Explanation, ...]:
        """One call explained at each moment asked for, with a verified repair where the split is missed."""
        from meshsim.analysis.repair import explain
        from meshsim.report.jupyter import Explanations

        spec = CallSpec(frm=frm, to=to, path=self._path(frm, to, path), source=Source("command line"))
        found: list[Explanation] = []
        for moment, weight in self.moments(at, mode):
            situation = self.situation(moment, mode)
            for call in expand(situation, spec):
                stated = self.stated(moment, mode)
                found.extend(explain(self, moment, mode, stated, weight, call))
        return Explanations(found)

    def _path(self, frm: str, to: str, path: str | None) -> str:
        if path is not None:
            return path
        exact = {s.path for s in self.scenario.calls if s.frm == frm and s.to == to}
        if exact:
            return exact.pop() if len(exact) == 1 else "/"

        def asked(spec_frm: str) -> list[tuple[object, str]]:
            try:
                spec = CallSpec(frm=spec_frm, to=to, path="/", source=Source("command line"))
                return [(_client(call), call.address) for call in expand(self.situation(0.0), spec)]
            except (InputError, UsageError):
                return []

        others = [s for s in self.scenario.calls if s.to == to]
        wanted = asked(frm) if others else []
        stated = {s.path for s in others if asked(s.frm) == wanted != []}
        return stated.pop() if len(stated) == 1 else "/"

    def verdicts(self, at: At | None = None) -> tuple[Row, ...]:
        """The rows of a moment; without `at`, of the first moment that `meshsim run` shows."""
        from meshsim.report.jupyter import Verdicts

        moment = self.moments(at)[0][0]
        return Verdicts(row for _, rows in self.rows(moment) for row in rows)

    def matrix(self) -> dict[At, tuple[Row, ...]]:
        """Moment → rows: every probe where there is no timeline. A notebook shows it as step × client."""
        from meshsim.report.jupyter import Matrix

        return Matrix((moment.at, moment.rows) for moment in self.answer().moments)

    def verdict_matrix(
        self, *, at: At | None = None, frm: str | None = None, to: str | None = None, mode: str = "auto"
    ) -> "VerdictMatrix":
        """The verdict of every pair of a client pod and an address at a moment (without `at`, the first that
        `meshsim run` shows), in bounded memory. `frm` and `to` pick pods (`cluster/namespace/pod`) and addresses
        (`host:port`) by a part of their names.

        `.verdicts()` is an array of shape (clients, addresses), a byte a pair, of positions in
        `meshsim.analysis.matrix.VERDICTS`; `.counts()` adds them up; `.rows(client, address)` is one pair in full.
        """
        from meshsim.analysis.matrix import VerdictMatrix, all_addresses, client_pods

        situation = self.situation(self.moments(at, mode)[0][0], mode)
        return VerdictMatrix(situation, client_pods(situation, frm), all_addresses(situation, to))

    def _repr_html_(self) -> str:
        """For notebooks: the answer."""
        from meshsim.report.jupyter import answer

        return answer(self.answer())

    def trace(self, frm: str, to: str, at: At | None = None) -> Trace:
        """The tree of one call."""
        moment = self.moments(at)[0][0]
        situation = self.situation(moment)
        spec = CallSpec(frm=frm, to=to, path=self._path(frm, to, None), source=Source("python"))
        call = next(iter(expand(situation, spec)))
        return trace_of(situation, call, self.mesh.assume)

    def sample(
        self, *, requests: int | None = None, seed: int | None = None, at: At | None = None, frm: str | None = None
    ) -> "tuple[tuple[At | None, tuple[Sample, ...]], ...]":
        """Counts like a curl loop's, for every call (or one client's) at each moment asked for; `requests` and `seed`
        default to the scenario's `sampling`."""
        from meshsim.analysis.sampling import sample

        return sample(self, requests=requests, seed=seed, at=at, frm=frm)

    def against(
        self, observations: str | Path, *, at: At | None = None, alpha: Fraction = Fraction(1, 100)
    ) -> "Result":
        """Observations in a file (recorded by `meshsim live observe`, or published) held against the model, with what
        each agreement rules out. `at` is the moment of those that state none; `alpha` the level of the whole file.

        Raises InputError, with the line, for a file that is wrong or that names what the scenario has not.
        """
        from meshsim.live.against import hold
        from meshsim.live.published import read

        return hold(read(observations), self, at=at, alpha=alpha)

    def graph(self, *, at: At | None = None, mode: str = "auto", frm: str | None = None) -> "nx.MultiDiGraph":
        """The paths of every call at a moment (without `at`, the first that `meshsim run` shows) as a networkx graph;
        `frm` picks callers whose name contains it. `meshsim.report.graph.topology` has its attributes."""
        from meshsim.report.graph import topology

        moment, weight = self.moments(at, mode)[0]
        rows = tuple(row for _, rows in self.rows(moment, mode) for row in rows if frm is None or frm in row.frm)
        if frm is not None and not rows:
            msg = f"no caller's name contains {frm!r}"
            raise UsageError(msg, hint="`meshsim run` lists the callers")
        return topology(Moment(at=self.stated(moment, mode), weight=weight, rows=rows))

    def fork(self, **edits: Any) -> "Session":
        """The same scenario with edits, for what-if questions; `compare` tells the difference.

        Keywords, each optional: `patch={"cluster/Kind/namespace/name": {…}}` (a JSON merge patch),
        `fields={object: {"spec.ports.0.name": value or None}}`, `labels` and `annotations={object: {key: value or
        None}}`, `replicas={object: number}`, `delete=[object, …]`, `istiod={cluster: {variable: value or None}}`,
        `dialect="solo/1.29"` and `argo="1.8"` (or by cluster), `network={cluster: name}`, `peering="all"`, `"none"` or
        pairs (watcher, peer), `assume={key: choice}`, `fail=["eastwest:cluster1", …]`.

        Raises InputError for an object that is not there, UsageError for an edit that cannot be.
        """
        from meshsim.mesh.forks import KEYWORDS, fork

        for name in edits:
            if name not in KEYWORDS:
                from difflib import get_close_matches

                near = get_close_matches(name, KEYWORDS, n=1)
                msg = f"fork has no edit {name!r}"
                raise UsageError(msg, hint=f"did you mean {near[0]}?" if near else f"edits are {', '.join(KEYWORDS)}")
        return self.forked(fork(self.mesh, **edits))

    def sweep(
        self,
        vary: Mapping[str, Sequence[Any]],
        *,
        at: At | None = None,
        mode: str = "auto",
        frm: str | None = None,
        to: str | None = None,
        executor: "Executor | None" = None,
        journal: str | None = None,
    ) -> "Sweep":
        """Every variant of the scenario: settings and their values, None for an absent one, as in
        `{"label:c2/Namespace/shop:istio.io/use-waypoint": ["waypoint", None]}`.
        `meshsim sweep --help` lists the kinds of settings.

        `frm` and `to` pick calls by a part of their names; `executor` is any of `concurrent.futures` (Dask's
        `Client.get_executor()` is one), and changes nothing in the answer; a `journal` file keeps what is done, and a
        sweep goes on from it. Raises UsageError for a setting that cannot be, InputError for objects that are not
        there, and for a journal that is another sweep's.
        """
        from meshsim.analysis import journal as kept
        from meshsim.analysis.sweep import sweep

        record = kept.journal(journal) if journal is not None else None
        return sweep(self, vary, at=at, mode=mode, frm=frm, to=to, executor=executor, record=record)

    def compare(self, other: "Session", at: At | None = None) -> "Difference":
        """The verdicts that change from this session to another, and the objects and lines that changed them."""
        from meshsim.analysis.compare import compare

        return compare(self, other, at)

    def forked(self, mesh: Mesh) -> "Session":
        """The same scenario on another Mesh."""
        return Session(self.scenario, mesh)

    def asking(self, mesh: Mesh, call: CallSpec) -> "Session":
        """The same scenario on another Mesh, asked about one call alone."""
        from dataclasses import replace

        return Session(replace(self.scenario, calls=(call,), expect=()), mesh)

    def findings(self) -> tuple[str, ...]:
        """Sentences on the input that hold whatever the call."""
        found: list[str] = []
        for name, inventory in self.scenario.inventory.items():
            found.extend(sentences(name, inventory))
        found.extend(unrouted(self.mesh))
        found.extend(_held(self.scenario, self.mesh))
        found.extend(
            f"{name}: ztunnel's tables are those of {entry.dumps.ztunnel.path} at every moment: steps, faults and "
            "edits do not change them"
            for name, entry in self.scenario.clusters.items()
            if entry.dumps.ztunnel is not None
        )
        found.extend(
            f"{cluster.name}: {cluster.ztunnel_dump.path} has its pods on network {cluster.ztunnel_dump.network!r}, "
            f"and {cluster.network.evidence} says {cluster.network.value}"
            for cluster in self.mesh.clusters.values()
            if cluster.ztunnel_dump is not None and cluster.ztunnel_dump.network not in {None, cluster.network.value}
        )
        found.extend(
            f"{cluster.name}: ztunnel's NETWORK is {cluster.ztunnel_network.value} "
            f"({cluster.ztunnel_network.evidence}), istio-system says {cluster.network.value} "
            f"({cluster.network.evidence}): MS105"
            for cluster in self.mesh.clusters.values()
            if cluster.ztunnel_network.value != cluster.network.value
        )
        return tuple(found)


def _nobody_calls(situation: Situation, moments: Sequence[Moment]) -> Iterator[str]:
    """Services with a split that nobody here calls: who brings a Rollout alone has to say who its clients are."""
    if any(moment.rows for moment in moments):
        return
    for cluster, services in situation.governed.items():
        for namespace, name in sorted(services):
            yield (
                f"{cluster}: a Rollout governs Service {namespace}/{name}, and nothing here is a client of it: add the "
                "manifests of one (a Deployment and its Namespace are enough)"
            )


def _held(scenario: Scenario, mesh: Mesh) -> Iterator[str]:
    """What Envoys' dumps stand for."""
    for name, entry in scenario.clusters.items():
        for proxy, held in entry.dumps.envoy.items():
            files = " and ".join(held.paths)
            if proxy.startswith("eastwest"):
                yield f"{name}: {files}: what an east-west gateway does follows from ztunnel's tables; this is not used"
            elif not _shown(mesh.clusters[name], proxy):
                yield f"{name}: no manifest has {proxy}, so that no call meets what {files} says"
            else:
                yield f"{name}: {proxy} holds what {files} says at every moment: steps, faults and edits change nothing"


def _shown(cluster: Cluster, proxy: str) -> bool:
    """Whether the manifests have the Gateway, or the workload with a sidecar."""
    kind, _, place = proxy.partition(":")
    namespace, _, name = place.partition("/")
    kinds = ("Deployment", "Rollout", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod", "Job", "CronJob")
    wanted = kinds if kind == "sidecar" else ("Gateway", "Gateway.networking.istio.io")
    return any(cluster.get(one, namespace, name) is not None for one in wanted)


def _client(call: Call) -> object:
    return tuple((c.cluster, c.namespace, c.uid, c.ident) for _, c in call.caller.clients) or call.caller.name
