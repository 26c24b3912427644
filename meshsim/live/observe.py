"""A scenario's calls made by the clients of real clusters, and counted by who answered.

kubectl is asked to `get` pods, Rollouts and Deployments and to `exec` curl in client pods, and nothing else. What it
may not do costs the calls that need it, and each of those says why.
"""

import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import Final, final

from meshsim.analysis.calls import Call
from meshsim.live.attribution import DEFAULT, Attribution, LivePod
from meshsim.live.commands import Ran, Runner
from meshsim.live.loop import Reply, Unsendable, curl, replies
from meshsim.live.reading import Wanted
from meshsim.live.recording import Observed, Recording
from meshsim.live.state import NAME, State, list_pods, list_rollout, named, read_state, reason, versions
from meshsim.live.tally import counted, tally
from meshsim.model.frozen import frozen

BATCH: Final = 20
"""Requests of one exec: with keep-alive, of one connection."""
EXEC: Final = 100.0
"""Seconds that the requests of one exec may take together, which stays below what kubectl is given."""
MOST_PODS: Final = 10
"""Client pods of one workload that take turns."""


@final
@frozen
class Through:
    """Who makes the calls of a caller that is no pod: `client` is a workload, `cluster/namespace/name`, and `address`
    where it connects whatever the host ("" for where the host leads)."""

    client: str
    address: str = ""


@final
@frozen
class Settings:
    """How much is sent: `requests` for each call, each at most `timeout` seconds, at most `limit` seconds a call.
    `through` has who stands for a gateway's clients, or for those outside the mesh, by the caller's name."""

    requests: int = 100
    timeout: float = 5.0
    limit: float = 300.0
    container: str = ""
    patterns: tuple[str, ...] = DEFAULT
    through: Mapping[str, Through] = field(default_factory=dict)


def observe(
    calls: Sequence[Call],
    rollouts: Iterable[str],
    clusters: Mapping[str, Wanted],
    run: Runner,
    settings: Settings | None = None,
    *,
    scenario: str = "",
    told: Callable[[Observed], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
    mark: Callable[[], str] = lambda: secrets.token_hex(12),
) -> Recording:
    """Make every call and count the answers. `rollouts` are `cluster/namespace/name`; `clusters` say how kubectl
    reaches those of the scenario that exist; `told` hears of each call as it is done.

    Raises re.error for patterns that are no regular expressions. Whatever a cluster refuses is said in the result.
    """
    how = settings or Settings()
    Attribution((), {}, how.patterns)
    names = tuple(rollouts)
    spaces = _spaces(calls, names, clusters, how)
    before = start = read_state(spaces, names, clusters, run)
    found = []
    for call in calls:
        seen = _Seen(call, clusters, run, how, clock, mark)
        seen.make(before)
        after = read_state(spaces, names, clusters, run)
        one = seen.observed(Attribution(_both(before, after), before.rollouts, how.patterns), before.changes(after))
        found.append(one)
        before = after
        if told is not None:
            told(one)
    return Recording(
        observations=tuple(found),
        scenario=scenario,
        source="meshsim live observe",
        versions=versions(clusters, start, run),
        rollouts=start.rollouts,
    )


def commands(
    calls: Sequence[Call], rollouts: Iterable[str], clusters: Mapping[str, Wanted], settings: Settings
) -> list[list[str]]:
    """The kubectl calls that observing would make, with POD and MARK in place of what is only known then."""
    names = tuple(rollouts)
    found = [list_rollout(clusters[c], ns, name) for c, ns, name in map(named, names) if c in clusters]
    found += [list_pods(wanted, ns) for wanted, ns in _spaces(calls, names, clusters, settings)]
    for call in calls:
        seen = _Seen(call, clusters, lambda _: Ran(0, b"", ""), settings, lambda: 0.0, lambda: "MARK")
        if not seen.not_sent():
            found.append(seen.exec(("POD", ""), min(BATCH, settings.requests), "MARK"))
    return found


@final
class _Seen:
    """One call while it is made."""

    def __init__(
        self,
        call: Call,
        clusters: Mapping[str, Wanted],
        run: Runner,
        settings: Settings,
        clock: Callable[[], float],
        mark: Callable[[], str],
    ) -> None:
        self.call, self.clusters, self.run, self.settings = call, clusters, run, settings
        self.through = settings.through.get(call.caller.name)
        self.clock, self.mark = clock, mark
        self.replies: list[tuple[int, Reply]] = []
        """(number of the exec, reply)."""
        self.why = ""

    def not_sent(self) -> str:
        """Why this call cannot be made by anybody here; "" where it can be tried."""
        name = self.call.caller.name
        kind, colon, _ = name.partition(":")
        if colon and self.through is None:
            who = "an ingress gateway" if kind == "ingress" else "a client outside every mesh"
            return f"{who} is no pod to call from: name one that stands for its clients with --through"
        if self.call.to.startswith("pod:"):
            return f"{self.call.to} names a pod of the model: write the address of a real one"
        place = self.place()
        if place is None:
            return f"{name} is no workload by name: write cluster/namespace/workload"
        if place[0] not in self.clusters:
            return f"no context is given for {place[0]}"
        try:
            self.words(1, "MARK")
        except Unsendable as error:
            return str(error)
        return ""

    def place(self) -> tuple[str, str, str] | None:
        """Cluster, namespace and workload of the client."""
        name = self.call.caller.name if self.through is None else self.through.client
        parts = name.split("/")
        client = self.call.caller.clients[0][1] if self.call.caller.clients else None
        if client is not None and len(parts) == 2 and self.through is None:
            parts = [parts[0], client.namespace or "", parts[1]]
        if len(parts) != 3 or not all(NAME.fullmatch(part) for part in parts[1:]):
            return None
        return parts[0], parts[1], parts[2]

    def words(self, number: int, mark: str) -> list[str]:
        target = self.call.target
        host = target.host or str(target.ip)
        return curl(
            host,
            target.port,
            self.call.path,
            self.call.headers,
            connection=self.call.connection,
            number=number,
            timeout=self.settings.timeout,
            mark=mark,
            via=self.through.address if self.through is not None else "",
        )

    def exec(self, pod: tuple[str, str], number: int, mark: str) -> list[str]:
        """The argument list of one exec: the pod's name comes after its option, everything of ours after `--`."""
        place = self.place()
        assert place is not None
        container = [f"--container={pod[1]}"] if pod[1] else []
        words = self.clusters[place[0]].kubectl("exec", f"--namespace={place[1]}", pod[0], *container, "--")
        return [*(word for word in words if not word.startswith("--request-timeout")), *self.words(number, mark)]

    def make(self, state: State) -> None:
        """Send the requests, a batch from each client pod in turn, until they are enough or the time is over."""
        self.why = self.not_sent()
        if self.why:
            return
        place = self.place()
        pods = sorted((p for p in state.pods if (p.cluster, p.namespace, p.workload) == place and p.ready), key=_name)
        if not pods:
            unread = state.unread.get(f"{place[0]}/{place[1]} pods") if place is not None else None
            self.why = (
                f"{self.through.client if self.through is not None else self.call.caller.name} has no ready pod"
                if unread is None
                else f"its pods cannot be listed: {unread}"
            )
            return
        pods = pods[:MOST_PODS]
        until = self.clock() + self.settings.limit
        batch = max(1, min(BATCH, int(EXEC / self.settings.timeout), self.settings.requests // len(pods)))
        sent, turn = 0, 0
        while sent < self.settings.requests and self.clock() < until:
            number = min(batch, self.settings.requests - sent)
            pod = pods[turn % len(pods)]
            mark = self.mark()
            ran = self.run(self.exec((pod.name, self._container(pod)), number, mark))
            got = [(turn, reply) for reply in replies(ran.out, mark)]
            if not got:
                self.why = "" if self.replies else reason(ran)
                return
            self.replies += got
            sent, turn = sent + number, turn + 1

    def _container(self, pod: LivePod) -> str:
        if self.settings.container:
            return self.settings.container
        return next((name for name in pod.containers if name != "istio-proxy"), "") if len(pod.containers) > 1 else ""

    def observed(self, attribution: Attribution, moved: tuple[str, ...]) -> Observed:
        """The counts."""
        call = self.call
        bare = Observed(
            frm=call.caller.name,
            to=call.to,
            path=call.path,
            headers=dict(call.headers),
            connection="new" if call.connection == "new" else "keep-alive",
        )
        if self.through is not None:
            bare = replace(bare, note=f"made from {self.through.client}")
        if self.why:
            return replace(bare, not_sent=self.why)
        return counted(bare, tally(self.replies, attribution), moved)


def _spaces(
    calls: Sequence[Call], rollouts: Iterable[str], clusters: Mapping[str, Wanted], settings: Settings
) -> list[tuple[Wanted, str]]:
    """The namespaces whose pods are listed: the clients' own, and the Rollouts' in every cluster."""
    found: dict[tuple[str, str], Wanted] = {}
    for call in calls:
        place = _Seen(call, clusters, lambda _: Ran(0, b"", ""), settings, lambda: 0.0, lambda: "").place()
        if place is not None and place[0] in clusters:
            found[place[0], place[1]] = clusters[place[0]]
    for _, namespace, _ in map(named, rollouts):
        found |= {(name, namespace): wanted for name, wanted in clusters.items() if NAME.fullmatch(namespace)}
    return [(wanted, namespace) for (_, namespace), wanted in found.items()]


def _both(before: State, after: State) -> tuple[LivePod, ...]:
    """Every pod that was there at either end."""
    return tuple({pod.path: pod for pod in (*before.pods, *after.pods)}.values())


def _name(pod: LivePod) -> str:
    return pod.name
