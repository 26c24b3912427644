"""A scenario's calls made by the clients of real clusters, and counted by who answered.

kubectl is asked to `get` pods, Rollouts and Deployments and to `exec` curl in client pods, and nothing else. What it
may not do costs the calls that need it, and each of those says why.
"""

import json
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import Any, Final, final

from meshsim.analysis.calls import Call
from meshsim.live.attribution import DEFAULT, Answerer, Attribution, LivePod, live_pod
from meshsim.live.commands import Ran, Runner
from meshsim.live.loop import Reply, Unsendable, curl, replies
from meshsim.live.reading import Wanted
from meshsim.live.recording import Observed, Recording, RolloutState
from meshsim.model.frozen import frozen

BATCH: Final = 20
"""Requests of one exec: with keep-alive, of one connection."""
EXEC: Final = 100.0
"""Seconds that the requests of one exec may take together, which stays below what kubectl is given."""
MOST_PODS: Final = 10
"""Client pods of one workload that take turns."""
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
COMPONENTS: Final = {"istiod": ("istio-system", "istiod"), "argo-rollouts": ("argo-rollouts", "argo-rollouts")}
"""Component → namespace and Deployment, as their installation guides have them."""


@final
@frozen
class Settings:
    """How much is sent: `requests` for each call, each at most `timeout` seconds, at most `limit` seconds a call."""

    requests: int = 100
    timeout: float = 5.0
    limit: float = 300.0
    container: str = ""
    patterns: tuple[str, ...] = DEFAULT


@final
@frozen
class State:
    """What moves: the Rollouts' states and the pods of their revisions, by cluster, and what could not be read."""

    rollouts: Mapping[str, RolloutState] = field(default_factory=dict)
    pods: tuple[LivePod, ...] = ()
    unread: Mapping[str, str] = field(default_factory=dict)

    def changes(self, later: "State") -> tuple[str, ...]:
        """What is different later, a sentence each."""
        found = [
            f"{name}: {self.rollouts.get(name, RolloutState())} → {state}"
            for name, state in sorted(later.rollouts.items())
            if state != self.rollouts.get(name, RolloutState())
        ]
        before, after = ({pod.path for pod in state.pods if pod.hash and pod.ready} for state in (self, later))
        found += [f"pod {path} is gone or no longer ready" for path in sorted(before - after)]
        found += [f"pod {path} became ready" for path in sorted(after - before)]
        return tuple(found)


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
    named = tuple(rollouts)
    before = start = read_state(calls, named, clusters, run)
    found = []
    for call in calls:
        seen = _Seen(call, clusters, run, how, clock, mark)
        seen.make(before)
        after = read_state(calls, named, clusters, run)
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
    found = [_list_rollout(clusters[c], ns, name) for c, ns, name in map(_parts, rollouts) if c in clusters]
    found += [_list_pods(wanted, ns) for wanted, ns in _spaces(calls, rollouts, clusters)]
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
        self.clock, self.mark = clock, mark
        self.replies: list[tuple[int, Reply]] = []
        """(number of the exec, reply)."""
        self.why = ""

    def not_sent(self) -> str:
        """Why this call cannot be made by anybody here; "" where it can be tried."""
        name = self.call.caller.name
        kind, colon, _ = name.partition(":")
        if colon:
            who = "an ingress gateway" if kind == "ingress" else "a client outside every mesh"
            return f"{who} is no pod to call from: make the call where its clients are, and write the counts down"
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
        name = self.call.caller.name
        parts = name.split("/")
        client = self.call.caller.clients[0][1] if self.call.caller.clients else None
        if client is not None and len(parts) == 2:
            parts = [parts[0], client.namespace or "", parts[1]]
        if len(parts) != 3 or not all(_NAME.fullmatch(part) for part in parts[1:]):
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
                f"{self.call.caller.name} has no ready pod"
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
                self.why = "" if self.replies else _why(ran)
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
        if self.why:
            return replace(bare, not_sent=self.why)
        return counted(bare, tally(self.replies, attribution), moved)


@final
@frozen
class Answered:
    """One request: which connection it went over, who answered, or what the sender read instead."""

    connection: int
    by: Answerer
    error: str = ""


def tally(got: Sequence[tuple[int, Reply]], attribution: Attribution) -> list[Answered]:
    """Who answered each request. An answer that names a pod is that pod's, whatever its code."""
    found = []
    connection = -1
    last = None
    for run, reply in got:
        if reply.connected or run != last or reply.code == "000":
            connection += 1
        last = run
        by = attribution.of(reply.text)
        found.append(Answered(connection=connection, by=by, error="" if by.known or by.pod else reply.error))
    return found


def counted(bare: Observed, answers: Sequence[Answered], moved: tuple[str, ...] = ()) -> Observed:
    """An observation's counts from its answers."""
    firsts: dict[int, Answered] = {}
    several: dict[int, set[Answerer]] = {}
    for one in answers:
        firsts.setdefault(one.connection, one)
        if not one.error:
            several.setdefault(one.connection, set()).add(one.by)
    errors: dict[str, int] = {}
    for one in answers:
        if one.error:
            errors[one.error] = errors.get(one.error, 0) + 1
    kept = bare.connection != "new"
    return replace(
        bare,
        requests=len(answers),
        connections=len(firsts),
        counted=_by_dimension([one for one in answers if not one.error]),
        first=_by_dimension([one for one in firsts.values() if not one.error]) if kept else {},
        mixed=sum(len(who) > 1 for who in several.values()) if kept else None,
        errors=errors,
        unattributed=sum(not one.error and not one.by.known for one in answers),
        moved=moved,
    )


def _by_dimension(answers: Sequence[Answered]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for one in answers:
        who = {"roles": one.by.role, "versions": one.by.version, "clusters": one.by.cluster, "pods": one.by.pod}
        for kind, name in who.items():
            if name:
                counts = found.setdefault(kind, {})
                counts[name] = counts.get(name, 0) + 1
    return found


def read_state(calls: Sequence[Call], rollouts: Sequence[str], clusters: Mapping[str, Wanted], run: Runner) -> State:
    """The Rollouts' states and the pods of every namespace that matters, as far as they may be read."""
    states, pods, unread = {}, [], {}
    for name in rollouts:
        cluster, namespace, bare = _parts(name)
        if cluster not in clusters or not _NAME.fullmatch(namespace) or not _NAME.fullmatch(bare):
            continue
        ran = run(_list_rollout(clusters[cluster], namespace, bare))
        found = _json(ran)
        if found is None:
            unread[name] = _why(ran)
        else:
            states[name] = _state(found)
    for wanted, namespace in _spaces(calls, rollouts, clusters):
        ran = run(_list_pods(wanted, namespace))
        found = _json(ran)
        if found is None:
            unread[f"{wanted.name}/{namespace} pods"] = _why(ran)
            continue
        listed = (live_pod(wanted.name, item) for item in found.get("items") or () if isinstance(item, dict))
        pods += [pod for pod in listed if pod is not None]
    return State(rollouts=states, pods=tuple(pods), unread=unread)


def versions(clusters: Mapping[str, Wanted], state: State, run: Runner) -> dict[str, Any]:
    """What was observed with and on: kubectl, and for each cluster Kubernetes, components' images, pods' images."""
    found: dict[str, Any] = {}
    for name, wanted in clusters.items():
        here: dict[str, Any] = {}
        said = _json(run(wanted.kubectl("version", "-o", "json"))) or {}
        for key, ours in (("clientVersion", "kubectl"), ("serverVersion", "kubernetes")):
            if isinstance(said.get(key), dict) and said[key].get("gitVersion"):
                (found if ours == "kubectl" else here)[ours] = str(said[key]["gitVersion"])
        for component, (namespace, deployment) in COMPONENTS.items():
            got = _json(
                run(wanted.kubectl("get", "deployments.apps", deployment, f"--namespace={namespace}", "-o", "json"))
            )
            containers = _at(got, "spec", "template", "spec", "containers")
            images = [str(c.get("image")) for c in containers or () if isinstance(c, dict) and c.get("image")]
            here[component] = images[0] if images else "unknown"
        images = sorted({image for pod in state.pods if pod.cluster == name and pod.hash for image in pod.images})
        if images:
            here["images"] = images
        found[name] = here
    return found


def _spaces(calls: Sequence[Call], rollouts: Iterable[str], clusters: Mapping[str, Wanted]) -> list[tuple[Wanted, str]]:
    """The namespaces whose pods are listed: the clients' own, and the Rollouts' in every cluster."""
    found: dict[tuple[str, str], Wanted] = {}
    for call in calls:
        place = _Seen(call, clusters, lambda _: Ran(0, b"", ""), Settings(), lambda: 0.0, lambda: "").place()
        if place is not None and place[0] in clusters:
            found[place[0], place[1]] = clusters[place[0]]
    for _, namespace, _ in map(_parts, rollouts):
        found |= {(name, namespace): wanted for name, wanted in clusters.items() if _NAME.fullmatch(namespace)}
    return [(wanted, namespace) for (_, namespace), wanted in found.items()]


def _list_rollout(wanted: Wanted, namespace: str, name: str) -> list[str]:
    return wanted.kubectl("get", "rollouts.argoproj.io", name, f"--namespace={namespace}", "-o", "json")


def _list_pods(wanted: Wanted, namespace: str) -> list[str]:
    return wanted.kubectl("get", "pods", f"--namespace={namespace}", "-o", "json")


def _state(item: Mapping[str, Any]) -> RolloutState:
    status = item.get("status") if isinstance(item.get("status"), dict) else {}
    assert isinstance(status, dict)
    stable, current = str(status.get("stableRS") or ""), str(status.get("currentPodHash") or "")
    step, weight = status.get("currentStepIndex"), _at(status, "canary", "weights", "canary", "weight")
    return RolloutState(
        phase=str(status.get("phase") or ""),
        step=step if isinstance(step, int) else None,
        weight=weight if isinstance(weight, int) else None,
        stable=stable,
        canary=current if current != stable else "",
    )


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _both(before: State, after: State) -> tuple[LivePod, ...]:
    """Every pod that was there at either end."""
    return tuple({pod.path: pod for pod in (*before.pods, *after.pods)}.values())


def _parts(name: str) -> tuple[str, str, str]:
    cluster, _, rest = name.partition("/")
    namespace, _, bare = rest.partition("/")
    return cluster, namespace, bare


def _name(pod: LivePod) -> str:
    return pod.name


def _json(ran: Ran) -> dict[str, Any] | None:
    if ran.code:
        return None
    try:
        found = json.loads(ran.out)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _why(ran: Ran) -> str:
    """The last line that a program said, as the reason why something is missing."""
    lines = [line.strip() for line in ran.err.splitlines() if line.strip()]
    said = lines[-1][:300] if lines else ""
    if "forbidden" in said.lower():
        return f"forbidden: {said}"
    return said or (f"kubectl ended with {ran.code}" if ran.code else "curl answered nothing")
