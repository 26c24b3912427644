"""The whole plan for a scenario: clusters, mesh, controllers, manifests, what happens over time, what is counted."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, final

from meshsim.analysis.calls import Call
from meshsim.live.kind import argo, certificates, clusters, istio, joining, outside, standin
from meshsim.live.kind.entries import commands
from meshsim.live.kind.hands import ROLLOUTS, Hands, Unreplayable
from meshsim.live.kind.moments import MODE as SETTLED
from meshsim.live.kind.moments import STATUS, Held, Moment, Subject, held, over_time, probes, status_of, unreached
from meshsim.live.kind.objects import Applied, applied, resource
from meshsim.live.kind.places import Place, Settings, places
from meshsim.live.kind.steps import Await, Command, Compare, Observe, Plan, Run, Step, Wait, Write, work
from meshsim.live.kind.telling import too_few
from meshsim.manifests.manifest import Manifest
from meshsim.rollouts import State
from meshsim.scenario.scenario import Entry
from meshsim.simulation.deployment import Deployed, RolloutId
from meshsim.simulation.entries import sentence

SPREAD: Final = 5.0
"""Seconds after everything shows what it should, for the news to reach the proxies."""
_ONCE: Final = frozenset({"promote", "undo"})
"""What must not be done twice when a run goes on after a failure."""
REVISION: Final = "meshsim.dev/revision"
"""An annotation of a pod template that makes a new revision of it, where the scenario names no image."""


def plan(subject: Subject, source: Sequence[str], settings: Settings) -> Plan:
    """The plan for a scenario. Raises UsageError for settings that cannot be."""
    found = places(subject.mesh, subject.scenario, settings)
    made = _Made(subject, found, settings)
    played = tuple(made.played())
    wanted = list(clusters.programs(settings))
    wanted += dict.fromkeys(p.program for p in found if settings.install == "istioctl" or not p.solo)
    wanted += ["kubectl-argo-rollouts"] if made.plugin else []
    checks = clusters.checks()
    checks = replace(checks, commands=(*checks.commands, *istio.versions(found, settings)))
    steps = (
        checks,
        *clusters.create(found, settings),
        *certificates.certificates(found),
        *istio.install(found, settings),
        *joining.join(found, subject.mesh),
        *argo.controllers(found),
        *made.manifests(),
        *outside.steps(made.outside),
        *played,
    )
    return Plan(
        scenario=subject.scenario.name,
        source=tuple(source),
        prefix=settings.prefix,
        programs=tuple(dict.fromkeys(wanted)),
        secrets=(settings.licence,) if any(place.solo for place in found) else (),
        steps=steps,
        notes=tuple(made.notes()),
        lacking=(*istio.lacking(found, subject.mesh, settings), *argo.lacking(found), *made.unpullable()),
        contexts={place.name: place.context for place in found},
        requests=settings.requests,
        container=standin.CONTAINER if settings.stand_in else "",
        names_only=any(not call.target.host for call in made.calls),
    )


@final
class _Made:
    """A plan while it is made."""

    def __init__(self, subject: Subject, found: Sequence[Place], settings: Settings) -> None:
        self.subject, self.places, self.settings = subject, {place.name: place for place in found}, settings
        self.start: Deployed = subject.situation(0.0, SETTLED).deployed
        self.weights = probes(subject) if not subject.scenario.timeline else ()
        first = self.weights[0][0] if self.weights else 0.0
        self.calls: list[Call] = subject.calls_in(subject.situation(first, SETTLED))
        self.clients = frozenset(call.caller.name for call in self.calls)
        wanted = {weight for _, weight in self.weights}
        self.held: Mapping[RolloutId, Held] = {name: held(state, wanted) for name, state in self.start.states.items()}
        self.objects: dict[str, Applied] = {place.name: self._objects(place) for place in found}
        self.outside = outside.callers(self.calls, self.places)
        self.said: list[str] = []
        self.observed: list[float | str] = []
        self.number = 0
        self.plugin = False
        self._replayed: list[Entry] = []

    # what is applied

    def _objects(self, place: Place) -> Applied:
        found = applied(place)
        return replace(found, workloads=tuple(self._workload(place, document) for document in found.workloads))

    def _workload(self, place: Place, document: dict[str, Any]) -> dict[str, Any]:
        metadata = document["metadata"]
        identity = (place.name, str(metadata.get("namespace", "")), str(metadata["name"]))
        if document["kind"] == "Rollout" and identity in self.held and self.held[identity].added:
            document["spec"]["strategy"]["canary"]["steps"] = [dict(step) for step in self.held[identity].steps]
        if self.settings.stand_in:
            return standin.with_stand_ins(document, calls="/".join(identity) in self.clients)
        return document

    def manifests(self) -> Iterator[Step]:
        """The scenario's objects, and waiting until they are there."""
        for place in self.places.values():
            yield self._apply(place)
        for place in self.places.values():
            waits = tuple(self._there(place))
            if waits:
                yield Step(
                    name=f"ready-{place.kind}", title=f"{place.name}: wait until all of it is ready", commands=waits
                )

    def _apply(self, place: Place) -> Step:
        found = self.objects[place.name]
        waves = {"first.yaml": found.first, "objects.yaml": found.rest, "workloads.yaml": found.workloads}
        commands: list[Command] = []
        for name, documents in waves.items():
            if documents:
                file = place.file(name)
                commands.append(Write(name=file, text=clusters.yaml_text(documents)))
                commands.append(Run(words=place.kubectl("apply", "-f", work(file)), retry=60))
        number = len(found.first) + len(found.rest) + len(found.workloads)
        return Step(
            name=f"apply-{place.kind}",
            title=f"{place.name}: {number} objects of the scenario",
            commands=tuple(commands),
            why=tuple(self._altered(place)),
        )

    def _altered(self, place: Place) -> Iterator[str]:
        for identity, one in self.held.items():
            if identity[0] == place.name and one.added:
                yield f"Rollout {identity[1]}/{identity[2]} pauses after each weight, so that it can be held there."
        if self.settings.stand_in:
            yield "Pods are stand-ins: whoami answers with its name, and clients have a container with curl."

    def _there(self, place: Place) -> Iterator[Command]:
        found, wait = self.objects[place.name], self.settings.wait
        limit = f"--timeout={wait:g}s"
        for gateway in found.gateways:
            if not _never_ready(gateway):
                name = f"gateways.gateway.networking.k8s.io/{gateway.name}"
                words = ("wait", name, "--for=condition=Programmed", "-n", gateway.namespace, limit)
                yield Run(words=place.kubectl(*words), limit=wait + 20)
        for (namespace, name), replicas in sorted(found.scaled.items()):
            yield Run(
                words=place.kubectl("scale", f"deployments.apps/{name}", f"--replicas={replicas}", "-n", namespace)
            )
        for document in found.workloads:
            kind, metadata = document["kind"], document["metadata"]
            namespace, name = str(metadata.get("namespace", "default")), str(metadata["name"])
            if kind in {"Deployment", "StatefulSet", "DaemonSet"}:
                what = f"{resource(document['apiVersion'], kind)}/{name}"
                yield Run(words=place.kubectl("rollout", "status", what, "-n", namespace, limit), limit=wait + 20)
            elif kind == "Pod":
                words = ("wait", f"pods/{name}", "--for=condition=Ready", "-n", namespace, limit)
                yield Run(words=place.kubectl(*words), limit=wait + 20)
        for identity, state in self.start.states.items():
            if identity[0] == place.name and identity not in self.start.refused:
                yield self._shows(identity, self._settled(identity, state))

    def _settled(self, identity: RolloutId, state: State) -> str:
        """A settled Rollout stands behind its last step, also behind those that are added."""
        steps = len(self.held[identity].steps)
        said = status_of(state)
        before, step, after = said.partition(" step ")
        number, space, rest = after.partition(" ")
        return f"{before}{step}{steps if number and self.held[identity].added else number}{space}{rest}"

    def _shows(self, identity: RolloutId, wanted: str) -> Await:
        place, namespace, name = self.places[identity[0]], identity[1], identity[2]
        words = place.kubectl("get", ROLLOUTS, name, "-n", namespace, "-o", f"jsonpath={STATUS}")
        what = f"Rollout {'/'.join(identity)} as the model has it"
        return Await(words=words, wanted=wanted, what=what, limit=self.settings.wait)

    # what happens, and what is counted

    def played(self) -> Iterator[Step]:
        """The timeline, or the weights held one after the other; each with its observations."""
        yield from self._over_time() if self.subject.scenario.timeline else self._weights()

    def _over_time(self) -> Iterator[Step]:
        hands = Hands(
            self.places,
            self.subject.mesh,
            {name: place.file("objects.yaml") for name, place in self.places.items()},
            self.clients,
            stand_in=self.settings.stand_in,
            wait=self.settings.wait,
        )
        for name, place in self.places.items():
            files = [
                f for f, d in zip(("first.yaml", "objects.yaml", "workloads.yaml"), self._waves(name), strict=True) if d
            ]
            hands.files[name] = [place.file(file) for file in files]
        self.said += [
            f"never reached, as it waits for a pause: {sentence(e)} ({e.source})" for e in unreached(self.subject)
        ]
        for number, moment in enumerate(over_time(self.subject)):
            try:
                done = [c for i, e in enumerate(moment.entries) for c in self._entry(hands, e, number * 100 + i)]
            except Unreplayable as error:
                entry = next(e for e in moment.entries if e not in self._replayed)
                self.said.append(f"{entry.source}: not replayed, nor what follows: {sentence(entry)}: {error}")
                return
            yield from self._moment(hands, moment, number, done)

    def _waves(self, name: str) -> tuple[Sequence[Any], ...]:
        found = self.objects[name]
        return found.first, found.rest, found.workloads

    def _entry(self, hands: Hands, entry: Entry, number: int) -> list[Command]:
        done = commands(hands, entry, number)
        self._replayed.append(entry)
        self.plugin = self.plugin or any("argo" in c.words[:2] for c in done if isinstance(c, Run))
        return done

    def _moment(self, hands: Hands, moment: Moment, number: int, done: Sequence[Command]) -> Iterator[Step]:
        if moment.entries:
            title = "; ".join(f"{_moment_of(entry)} {sentence(entry)}" for entry in moment.entries)
            lines = tuple(str(entry.source) for entry in moment.entries)
            yield from _in_parts(f"entry-{number:02}", title, (*done, *self._after(hands, moment)), lines)
        if moment.at is not None:
            yield self._observe(moment.at)

    def _after(self, hands: Hands, moment: Moment) -> Iterator[Command]:
        if moment.at is None:
            why = "the next entry comes before this is at rest: nothing is counted in between"
            yield Wait(seconds=moment.passes, why=why)
            return
        for identity, wanted in sorted(moment.shows.items()):
            if identity[0] not in hands.paused:
                yield self._shows(identity, wanted)
        yield Wait(seconds=SPREAD, why="for the news to reach the proxies")

    def _observe(self, at: float | str) -> Step:
        self.number += 1
        self.observed.append(at)
        shown = f"{at:g}s" if isinstance(at, int | float) else at
        name = f"observations-{self.number:02}.json"
        addresses, through = outside.asked(self.outside)
        return Step(
            name=f"observe-{self.number:02}",
            title=f"count who answers, as of {shown}",
            commands=(*addresses, Observe(name=name, at=at, through=through), Compare(name=name)),
        )

    def _weights(self) -> Iterator[Step]:
        if not self.weights:
            yield self._observe(0.0)
            return
        rests: dict[RolloutId, int | None] = dict.fromkeys(self.held)
        for revision, (at, weight) in enumerate(self.weights, 1):
            commands = tuple(c for name in self.held for c in self._hold(name, weight, rests, revision))
            spread = Wait(seconds=SPREAD, why="for the news to reach the proxies")
            title = f"hold every Rollout that has it at weight {weight}"
            yield from _in_parts(f"hold-{weight:02}", title, (*commands, spread))
            yield self._observe(at)

    def _hold(
        self, name: RolloutId, weight: int, rests: dict[RolloutId, int | None], revision: int
    ) -> Iterator[Command]:
        """From where a Rollout rests to the pause at a weight; one without the weight is brought to its end."""
        one, now, target = self.held[name], rests[name], self.held[name].weights.get(weight)
        if name in self.start.refused:
            return
        place, namespace, rollout = self.places[name[0]], name[1], name[2]
        if now is not None and (target is None or target < now):
            self.plugin = True
            yield Run(words=place.argo("promote", rollout, "--full", "-n", namespace))
            yield self._shows(name, f"Healthy step {len(one.steps)} *")
            rests[name] = now = None
        if target is None:
            return
        if now is None:
            yield self._revision(place, name, revision)
            yield self._shows(name, f"Paused step {one.rests[0]} *")
            now = 0
        for rest in range(now + 1, target + 1):
            self.plugin = True
            yield Run(words=place.argo("promote", rollout, "-n", namespace))
            yield self._shows(name, f"Paused step {one.rests[rest]} *")
        rests[name] = target

    def _revision(self, place: Place, name: RolloutId, revision: int) -> Run:
        """Another pod template: of the Rollout, or of the workload that it refers to."""
        manifest = place.cluster.get("Rollout", name[1], name[2])
        reference = manifest.get("spec", "workloadRef") if manifest is not None else None
        kind, object_name = ROLLOUTS, name[2]
        if isinstance(reference, Mapping):
            kind = resource(str(reference.get("apiVersion", "apps/v1")), str(reference.get("kind", "Deployment")))
            object_name = str(reference.get("name"))
        patch = f'{{"spec":{{"template":{{"metadata":{{"annotations":{{"{REVISION}":"{revision}"}}}}}}}}}}'
        return Run(words=place.kubectl("patch", kind, object_name, "-n", name[1], "--type=merge", "-p", patch))

    # what is said beside it

    def unpullable(self) -> Iterator[str]:
        """Images that no registry can have."""
        if self.settings.stand_in:
            return
        named = standin.images(d for found in self.objects.values() for d in found.workloads)
        named += [str(entry.args["image"]) for entry in self.subject.scenario.timeline if entry.args.get("image")]
        lost = [image for image in dict.fromkeys(named) if standin.reserved(image)]
        if lost:
            more = f" and {len(lost) - 2} more" if len(lost) > 2 else ""
            shown = ", ".join(lost[:2]) + more
            yield f"nobody can pull {shown}: --stand-in runs pods that say their name in their place"

    def notes(self) -> Iterator[str]:
        """What is not as the scenario has it."""
        for found in self.objects.values():
            yield from found.left
        for identity, why in self.start.refused.items():
            yield f"Rollout {'/'.join(identity)} cannot execute, by the model ({why}): nothing is waited for"
        for place in self.places.values():
            cluster = place.cluster
            if cluster.ztunnel_dump is not None or cluster.envoy_dumps:
                yield f"{place.name}: its dumps are of other proxies than those of a new cluster"
            if cluster.unread:
                yield f"{place.name}: nobody could read its {', '.join(cluster.unread)}, which are missing here"
        networks = {place.cluster.network.value for place in self.places.values()}
        flag = "AMBIENT_ENABLE_MULTI_NETWORK"
        for place in self.places.values():
            if len(networks) > 1 and not place.solo and flag not in place.cluster.istiod:
                yield f"{place.name}: the scenario has several networks and does not set {flag}: nor is it set here"
        for call in self.calls:
            if ":" in call.caller.name and call.caller.name not in self.outside:
                yield f"{call.caller.name} → {call.to}: nobody here can stand for this caller; not called"
            elif not call.target.host:
                yield f"{call.caller.name} → {call.to}: pods of a new cluster have other addresses; not called"
        if self.subject.scenario.traffic.rate is not None:
            yield "requests are sent one after the other, not at the rate that `traffic` states"
        yield from self.said
        yield from too_few(self.subject, self.observed, self.settings.requests)


def _in_parts(name: str, title: str, commands: Sequence[Command], why: tuple[str, ...] = ()) -> Iterator[Step]:
    """Commands as steps, each of which ends where doing it twice would be one time too often."""
    parts: list[list[Command]] = [[]]
    for command in commands:
        parts[-1].append(command)
        if isinstance(command, Run) and _ONCE & set(command.words):
            parts.append([])
    whole = [part for part in parts if part]
    for number, part in enumerate(whole, 1):
        own = name if number == 1 else f"{name}-{number}"
        waits = number > 1 and all(isinstance(command, Await | Wait) for command in part)
        said = "wait until every Rollout shows what the model has" if waits else title
        yield Step(name=own, title=said, commands=tuple(part), why=why if number == 1 else ())


def _never_ready(gateway: Manifest) -> bool:
    """Whether the class is nobody's, so that waiting would be in vain."""
    return str(gateway.get("spec", "gatewayClassName", default="")).partition("-")[0] != "istio"


def _moment_of(entry: Entry) -> str:
    return f"{entry.at:g}s" if entry.at is not None else "when paused"
