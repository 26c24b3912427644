"""The clock: simpy drives every Rollout's controller, its pods, users' entries and resyncs through one queue of events.

At one instant, controllers come before users: an entry meets the world after everything else that was due.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, final

from meshsim.mesh.mesh import Mesh
from meshsim.rollouts import State, next_due, reconcile
from meshsim.rollouts.advance import pods_follow
from meshsim.rollouts.reconcile import same_situation
from meshsim.rollouts.spec import steps_of
from meshsim.scenario.scenario import Entry, Timing
from meshsim.simulation import entries as doing
from meshsim.simulation.clock import Clock, ticks
from meshsim.simulation.deployment import Deployed, RolloutId, guarded, name_of, put
from meshsim.simulation.events import ENTRY, PODS, START, SYNC, Frame, History
from meshsim.simulation.telling import pods_told, told
from meshsim.simulation.watching import Watch, after_edit, next_retry, seen_by_others

LONGEST: Final = 30 * 24 * 3600.0
"""Seconds after the last entry within which a timeline without an end must come to rest."""
_SYNCS: Final = 60
_SYNCS_PER_STEP: Final = 12
Steps = Generator[Any, Any, None]


@final
class Engine:
    """One run of a timeline. `run` once; `history` has what happened."""

    def __init__(self, deployed: Deployed, entries: Sequence[Entry], timing: Timing, applied: Mesh) -> None:
        self.clock = Clock()
        self.timing = timing
        self.history = History(frames=[Frame(t=0.0, n=0, kind=START, what="the start", base=deployed)])
        self._known = deployed
        self.states: dict[RolloutId, State] = dict(deployed.states)
        self._dirty: dict[RolloutId, None] = {}
        self._watch = Watch(self.states)
        self.applied = {name: dict(cluster.objects) for name, cluster in applied.clusters.items()}
        self._bells: dict[RolloutId, Any] = {}
        self._paused: dict[RolloutId, Any] = {}
        self._done: dict[int, Any] = {}
        """Events of timed entries that others wait for."""
        self._resyncs: set[RolloutId] = set()
        self._endless = True
        for rollout, state in deployed.states.items():
            self.clock.env.process(self._controller(rollout))
            if state.status and not state.woken:
                self._resync_later(rollout)
        self._schedule(entries)

    def run(self, until: float | None, horizon: float = 0.0) -> History:
        """Everything up to and including `until`; without it until only resyncs and back-off are left."""
        self._endless = until is None
        end = horizon + LONGEST if until is None else until
        self.clock.env.run(until=ticks(end) + 1)
        self.history.now = self.clock.now if until is None else end
        pending = [due for state in self.states.values() if (due := next_due(state)) is not None]
        self.history.pending = min(pending, default=None)
        self.history.waits = tuple(dict.fromkeys(said for state in self.states.values() for said in state.waits))
        return self.history

    def _ring(self, rollout: RolloutId) -> None:
        bell = self._bells.pop(rollout, None)
        if bell is not None:
            bell.succeed()

    # Controllers

    def _controller(self, rollout: RolloutId) -> Steps:
        while rollout in self.states:
            due = None if self._stopped(rollout) else next_due(self.states[rollout])
            bell = self._bells[rollout] = self.clock.env.event()
            if due is None:
                yield bell
            elif ticks(due) > self.clock.env.now:
                self.clock.stir(rollout, 1)
                yield self.clock.env.timeout(ticks(due) - self.clock.env.now) | bell
                self.clock.stir(rollout, -1)
            if rollout not in self.states or self._stopped(rollout):
                continue
            self.clock.arrive(due)
            if due is not None and ticks(due) <= self.clock.env.now:
                self.states[rollout] = replace(self.states[rollout], now=self.clock.now, woken=True)
            self.clock.stir(rollout, 1)
            yield from self._syncs(rollout)
            self.clock.stir(rollout, -1)

    def _stopped(self, rollout: RolloutId) -> bool:
        """A cluster that is down has no controller."""
        return f"cluster:{rollout[0]}" in self._known.mesh.down

    def _syncs(self, rollout: RolloutId) -> Steps:
        """The syncs of one instant; other controllers have their turn after each."""
        done = 0
        limit = _SYNCS + _SYNCS_PER_STEP * len(steps_of(self.states[rollout].rollout))
        while rollout in self.states:
            before = replace(self.states[rollout], now=max(self.clock.now, self.states[rollout].now))
            state = pods_follow(before, pod_ready=self.timing.pod_ready, pod_terminate=self.timing.pod_terminate)
            if state is not before:
                self._record(PODS, rollout, state, pods_told(before, state))
            self.states[rollout] = state
            if not state.woken:
                return
            if done >= limit:
                return self._give_up(rollout, f"hot loop at {self.clock.now:g}s: {done} syncs did not settle")
            with guarded(rollout, self._known.mesh):
                result = reconcile(state)
            after = result.state
            known = state.error.message if state.error is not None else None
            failed = result.error is not None and result.error.message != known
            self.states[rollout] = after
            self._dirty[rollout] = None
            if result.changed or result.edits or failed:
                done += 1
                self.clock.syncs += 1
                others = seen_by_others(self._watch, self.states, rollout, result.edits)
                sentence = told(state, after, result.edits, result.error if failed else None)
                self._record(SYNC, rollout, after, sentence, result.edits, others)
                for other in others:
                    self._ring(other)
            if after.status.get("pauseConditions"):
                self._notice_pause(rollout)
            if result.edits and same_situation(state, after):
                fields = sorted({f"{edit.key} {edit.dotted}" for edit in result.edits})
                sentence = f"hot loop: every sync writes {', '.join(fields)} to and fro (argo-rollouts#3078)"
                return self._give_up(rollout, sentence)
            yield self.clock.env.timeout(0)

    def _give_up(self, rollout: RolloutId, sentence: str) -> None:
        state = self.states[rollout]
        notes = state.notes if sentence in state.notes else (*state.notes, sentence)
        self.states[rollout] = replace(state, notes=notes, woken=False)
        self._dirty[rollout] = None

    def _record(
        self,
        kind: str,
        rollout: RolloutId,
        state: State,
        what: str,
        edits: tuple[Any, ...] = (),
        others: Mapping[RolloutId, State] | None = None,
    ) -> None:
        changed = {rollout: state, **(others or {})}
        self.states.update(changed)
        self._dirty.update(dict.fromkeys(changed))
        self.history.frames.append(
            Frame(
                t=self.clock.now,
                n=self.clock.syncs,
                kind=kind,
                subject=name_of(rollout),
                what=what,
                states=tuple(changed.items()),
                edits=edits,
            )
        )

    def _flush(self) -> Deployed:
        """The Mesh with everything that controllers wrote since it was last asked for."""
        for rollout in self._dirty:
            if rollout in self.states:
                self._known = put(self._known, rollout, self.states[rollout], observed=True)
        self._dirty.clear()
        return self._known

    # Resyncs

    def _resync_later(self, rollout: RolloutId) -> None:
        if rollout not in self._resyncs:
            self._resyncs.add(rollout)
            self.clock.env.process(self._resync(rollout))

    def _resync(self, rollout: RolloutId) -> Steps:
        """A sync at the next full resync, or where the last one failed at the next retry."""
        state = self.states[rollout]
        if state.error is not None:
            t = next_retry(state.now, self.clock.now)
        else:
            t = (
                (self.clock.now // self.timing.resync + 1) * self.timing.resync
                if self.timing.resync > 0
                else self.clock.now
            )
        yield self.clock.at(t)
        self._resyncs.discard(rollout)
        if rollout in self.states and not (self._endless and not self.clock.busy):
            self.clock.arrive(t)
            self.states[rollout] = replace(self.states[rollout], now=self.clock.now, woken=True)
            self._ring(rollout)

    # Users

    def _schedule(self, entries: Sequence[Entry]) -> None:
        waiting: dict[RolloutId, list[tuple[Entry, Any]]] = {}
        timed = [entry for entry in entries if entry.at is not None]
        for index, entry in enumerate(entries):
            if entry.at is None:
                rollout = doing.waited_for(self._known.mesh, entry)
                last = doing.last_before(self._known.mesh, entries[:index], rollout)
                done = None if last is None else self._done.setdefault(id(last), self.clock.env.event())
                waiting.setdefault(rollout, []).append((entry, done))
        if timed:
            self.clock.stir("users", 1)
            self.clock.env.process(self._users(sorted(timed, key=lambda entry: entry.at or 0.0)))
        for rollout, queue in waiting.items():
            self.clock.env.process(self._waits(rollout, queue))

    def _users(self, entries: Sequence[Entry]) -> Steps:
        for entry in entries:
            yield self.clock.at(entry.at or 0.0)
            self._do(entry, entry.at)
            done = self._done.pop(id(entry), None)
            if done is not None:
                done.succeed()
        self.clock.stir("users", -1)

    def _waits(self, rollout: RolloutId, entries: "Sequence[tuple[Entry, Any]]") -> Steps:
        """Entries that wait for a Rollout to pause, one after the other, each after what is written above it."""
        for entry, done in entries:
            if done is not None and not done.triggered:
                yield done
            while True:
                since = doing.paused_since(self.states.get(rollout))
                if since is None:
                    event = self._paused.setdefault(rollout, self.clock.env.event())
                    yield event
                    continue
                t = max(since + entry.after, self.clock.now)
                self.clock.stir(("waits", rollout), 1)
                yield self.clock.at(t)
                self.clock.stir(("waits", rollout), -1)
                if doing.paused_since(self.states.get(rollout)) == since:
                    break
            self._do(entry, t)

    def _notice_pause(self, rollout: RolloutId) -> None:
        event = self._paused.pop(rollout, None)
        if event is not None:
            event.succeed()

    def _do(self, entry: Entry, t: float | None) -> None:
        """One entry: a command changes one Rollout, anything else the Mesh."""
        self.clock.arrive(t)
        subject = f"timeline ({entry.source})"
        silent = doing.unreachable(self._known.mesh, entry)
        if silent:
            what = f"{doing.sentence(entry)}: {silent} does not answer"
            self.history.frames.append(
                Frame(t=self.clock.now, n=self.clock.syncs, kind=ENTRY, subject=subject, what=what)
            )
            return
        commanded = doing.commanded(self._known.mesh, entry)
        for rollout in commanded:
            before = replace(self.states[rollout], now=self.clock.now)
            with guarded(rollout, self._known.mesh):
                state = doing.command(before, entry)
            self._record(ENTRY, rollout, state, doing.sentence(entry))
            self.history.frames[-1] = replace(self.history.frames[-1], subject=subject)
            self._ring(rollout)
        if commanded:
            return
        before_edit = self._flush()
        edited, later = doing.edit(before_edit, entry, self.clock.now, self.timing, self.applied)
        edited, woken, unseen = after_edit(before_edit, edited, self.clock.now)
        if edited.mesh.down != before_edit.mesh.down:
            from meshsim.simulation.faults import with_broken_pods

            edited = with_broken_pods(edited, self.clock.now)
            woken = tuple(edited.states)
        self._known = edited
        self.states = dict(edited.states)
        self._watch = Watch(self.states)
        frame = Frame(
            t=self.clock.now, n=self.clock.syncs, kind=ENTRY, subject=subject, what=doing.sentence(entry), base=edited
        )
        self.history.frames.append(frame)
        for found in edited.states:
            if found not in before_edit.states:
                self.clock.env.process(self._controller(found))
            elif found in woken:
                self._ring(found)
            elif found in unseen:
                self._resync_later(found)
        for follow_up in later:
            self.clock.stir("users", 1)
            self.clock.env.process(self._follow(follow_up))

    def _follow(self, entry: Entry) -> Steps:
        """What an entry leads to later, such as pods of a Deployment that become ready."""
        yield self.clock.at(entry.at or 0.0)
        self._do(entry, entry.at)
        self.clock.stir("users", -1)


def horizon(entries: Sequence[Entry]) -> float:
    """The last instant that an entry names."""
    return max((entry.at or 0.0 for entry in entries), default=0.0)
