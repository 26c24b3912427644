"""One observation held against the model: which moment, which row, and the test of every label."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil, floor
from typing import Protocol, final

from meshsim.analysis.calls import Call, expand
from meshsim.analysis.judge import judge
from meshsim.analysis.situation import Situation
from meshsim.live.exact import Counted, chance, corrected, law
from meshsim.live.labels import Answerer, Label, Predicate, Unknown, Vocabulary, answerers, error
from meshsim.live.outcomes import Held, Outcome, Tested
from meshsim.live.recording import Counts, Observed, Recording
from meshsim.live.stories import stories
from meshsim.model.errors import InputError, UsageError
from meshsim.model.evidence import Source
from meshsim.model.verdict import At, Row, Verdict
from meshsim.scenario.notation import nearest
from meshsim.scenario.scenario import CallSpec
from meshsim.simulation.units import Choice, Client, Unit, plan, units


class Subject(Protocol):
    """A loaded scenario that can be asked for its state at a moment (`meshsim.session.Session`)."""

    def situation(self, at: At | None, mode: str = "auto") -> Situation: ...
    def rows(self, at: At | None, mode: str = "auto") -> tuple[tuple[Call, tuple[Row, ...]], ...]: ...
    def moments(self, at: At | None, mode: str = "auto") -> tuple[tuple[At | None, int | None], ...]: ...


@final
class Comparison:
    """One observation on its way to an outcome."""

    def __init__(self, recording: Recording, one: Observed, subject: Subject, at: At | None, mode: str) -> None:
        self.recording, self.one, self.subject, self.at, self.mode = recording, one, subject, at, mode

    def draft(self) -> Held:
        """The comparison without the level: UNDETERMINED and NOT_OBSERVED are final, the rest has a p."""
        one = self.one
        if one.not_sent:
            return Held(observed=one, outcome=Outcome.NOT_OBSERVED, why=(one.not_sent,))
        if one.moved:
            return self._undetermined("the rollout moved while this was counted", *one.moved)
        moment, mode, why = self._moment()
        if why:
            return self._undetermined(why)
        try:
            situation = self.subject.situation(moment, mode)
        except UsageError as problem:
            raise InputError(problem.message, where=one.where, hint=problem.hint) from None
        differs = self._differs(situation)
        if differs:
            return replace(self._undetermined(differs), at=moment)
        rows = self._rows(situation, moment, mode)
        row, notes = self._row(rows)
        if row.verdict is Verdict.UNDETERMINED:
            return replace(self._undetermined(*(row.notes or ("the call is undetermined",))), at=moment, row=row)
        return self._tested(situation, row, moment, notes)

    def _undetermined(self, *why: str) -> Held:
        return Held(observed=self.one, outcome=Outcome.UNDETERMINED, why=why)

    def _moment(self) -> tuple[At | None, str, str]:
        """The moment to compare at, how statuses are taken, and why none can be chosen."""
        if self.one.at is not None:
            return self.one.at, self.mode, ""
        if self.at is not None:
            return self.at, self.mode, ""
        states = {name: state for name, state in self.recording.rollouts.items() if state.stable}
        if states:
            now = self.subject.situation(0.0, "observed" if self.mode == "auto" else self.mode)
            held = {managed.name: managed for managed in now.rollouts.values()}
            if all(
                name in held and (held[name].stable_hash, held[name].canary_hash) == (state.stable, state.canary)
                for name, state in states.items()
            ):
                return 0.0, "observed" if self.mode == "auto" else self.mode, ""
            steps = {state.step for state in states.values() if state.canary}
            if not steps:
                return 0.0, "settle", ""
            if len(steps) == 1 and None not in steps:
                return f"step:{steps.pop()}", self.mode, ""
            return None, "", "the recorded Rollouts are at different steps: say `at`, or compare with a snapshot"
        moments = self.subject.moments(None, self.mode)
        if len(moments) == 1:
            return moments[0][0], self.mode, ""
        known = ", ".join(str(moment) for moment, _ in moments)
        return None, "", f"the observation does not say at which moment it was made: `at` one of {known}, or --at"

    def _differs(self, situation: Situation) -> str:
        """Whether a recorded weight is another than the model's at that moment."""
        for managed in situation.rollouts.values():
            state = self.recording.rollouts.get(managed.name)
            if self.one.at is None and state is not None and state.weight not in {None, managed.weight}:
                return f"{managed.name} had weight {state.weight} when it was observed, and has {managed.weight} here"
        return ""

    def _rows(self, situation: Situation, moment: At | None, mode: str) -> tuple[Row, ...]:
        """The call's rows: as the scenario judges it where it is one of its own."""
        one = self.one
        spec = CallSpec(
            frm=one.frm,
            to=one.to,
            path=one.path,
            headers=dict(one.headers),
            connection=one.connection,
            source=one.where or Source("observation"),
        )
        try:
            calls = list(expand(situation, spec))
        except (InputError, UsageError) as problem:
            raise InputError(problem.message, where=one.where, hint=problem.hint) from None
        if len(calls) != 1:
            msg = f"`from: {one.frm}` means {len(calls)} clients, and an observation is of one"
            raise InputError(msg, where=one.where, hint="write cluster/namespace/workload")
        call = calls[0]
        for own, rows in self.subject.rows(moment, mode):
            if _same(own, call):
                return rows
        return judge(situation, call)

    def _row(self, rows: tuple[Row, ...]) -> tuple[Row, tuple[str, ...]]:
        """The Rollout that roles are meant of."""
        if self.one.rollout is not None:
            found = [row for row in rows if row.rollout == self.one.rollout]
            if not found:
                msg = f"the Rollout {self.one.rollout!r} does not govern this call"
                known = ", ".join(row.rollout for row in rows if row.rollout)
                raise InputError(msg, where=self.one.where, hint=f"known: {known}" if known else "leave `rollout` out")
            return found[0], ()
        order = (Verdict.ELSEWHERE, Verdict.UNGOVERNED)
        best = min(
            rows, key=lambda row: (order.index(row.verdict) + 1 if row.verdict in order else 0, row.rollout or "")
        )
        others = [row.rollout for row in rows if row is not best and row.rollout]
        return best, (f"roles are those of {best.rollout}, not of {', '.join(others)}",) if others else ()

    def _tested(
        self,
        situation: Situation,
        row: Row,
        moment: At | None,
        notes: tuple[str, ...],
    ) -> Held:
        one = self.one
        managed = next((m for m in situation.rollouts.values() if m.name == row.rollout), None)
        ends = answerers(situation, row.trace, managed)
        client = Client(connection=one.connection, concurrency=max(1, one.connections or 1))
        choices = plan(row.trace, client)
        tests, labels, said = self._tests(Vocabulary(situation, managed, ends), choices, ends)
        held = Held(observed=one, outcome=Outcome.AGREES, at=moment, row=row, notes=(*notes, *said), tests=tests)
        if not any(test.counted or test.said for test in tests):
            return replace(held, outcome=Outcome.UNDETERMINED, why=("nothing that was counted can be compared",))
        if one.mixed and set(units(choices)) == {Unit.CONNECTION}:
            why = f"{one.mixed} connections were answered by several pods, and the model keeps each with one"
            return replace(held, p=0.0, why=(why,))
        unsized = [test for test in tests if test.counted is None]
        if unsized and any(not test.p for test in unsized):
            return replace(held, outcome=Outcome.UNDETERMINED, why=("how many requests were made is not said",))
        kept = [test.law.unit for test in tests if test.law.unit is not Unit.REQUEST]
        held = replace(
            held,
            p=corrected((test.counted, test.law, test.p) for test in tests),
            unit=str(kept[0]) if kept else "request",
            notes=(*held.notes, *_kept(tests)),
            canary=frozenset(name for name, label in labels.items() if label.roles == {"canary"} and label.whole),
        )
        return replace(held, stories=stories(situation, row, managed, tests, labels, kept=one.connection != "new"))

    def _tests(
        self, vocabulary: Vocabulary, choices: Choice | int, ends: tuple[Answerer, ...]
    ) -> tuple[tuple[Tested, ...], dict[str, Label], tuple[str, ...]]:
        """Every label's test, the labels, and what could not be compared."""
        one = self.one
        means = {**self.recording.means, **one.means}
        tests: list[Tested] = []
        labels: dict[str, Label] = {}
        notes: list[str] = []
        for dimension, counts in one.counted.items():
            try:
                found = vocabulary.labels(counts, dimension, means)
            except Unknown as unknown:
                if "roles" in one.counted and dimension in {"versions", "pods", "zones"}:
                    notes.append(f"{dimension} are not compared: {unknown.label!r} is none of the scenario's")
                    continue
                raise self._unknown(unknown) from None
            notes += [
                f"{label.name!r} is taken as the canary, the only revision left" for label in found if label.assumed
            ]
            for label in found:
                labels[label.name] = label
                tests.append(self._test(label.name, label.fits, choices, ends, counts, one.first.get(dimension)))
            if dimension == "roles":
                for role in ("stable", "canary", "other"):
                    if role not in counts and any(end.role == role and not end.error for end in ends):
                        missing = vocabulary.labels([role], "roles", {})[0]
                        labels[role] = missing
                        tests.append(
                            self._test(role, missing.fits, choices, ends, {**counts, role: 0}, one.first.get(dimension))
                        )
        if one.shares:
            try:
                found = vocabulary.labels(one.shares, "any", means)
            except Unknown as unknown:
                raise self._unknown(unknown) from None
            for label in found:
                labels[label.name] = label
                tests.append(self._published(label, choices, ends))
        if one.requests and (one.counted or one.errors):
            wanted = {"error": one.failed} if len(one.errors) != 1 or "error" in one.errors else {}
            for name, count in {**one.errors, **wanted}.items():
                tests.append(self._test(name, error(name), choices, ends, {name: count}, None))
        return tuple(tests), labels, tuple(dict.fromkeys(notes))

    def _unknown(self, unknown: Unknown) -> InputError:
        msg = f"the scenario has nothing that {unknown.label!r} could mean at this moment"
        hint = nearest(unknown.label, unknown.known) or f"there is {', '.join(unknown.known[:8])}"
        return InputError(msg, where=self.one.where, hint=f"{hint}; or say it: means: {{{unknown.label}: canary}}")

    def _test(
        self,
        name: str,
        fits: Predicate,
        choices: Choice | int,
        ends: tuple[Answerer, ...],
        counts: Counts,
        first: Counts | None,
    ) -> Tested:
        one = self.one
        drawn = law(choices, ends, fits, connections=one.connections is not None)
        if first is None and (name == "error" or name in one.errors):
            answered = max((sum(found.values()) for found in one.counted.values()), default=0)
            loose = one.requests - answered - one.failed - one.unattributed
        else:
            loose = one.requests - sum(counts.values()) - one.failed
        requests = Counted(low=counts[name], high=counts[name] + max(0, loose), trials=one.requests)
        kept = one.connection != "new" and one.connections is not None
        connections = self._by_connection(name, counts, first) if kept else None
        counted = connections if connections is not None and drawn.unit is Unit.CONNECTION and drawn.exact else requests
        p = 0.0 if counted.low > counted.high else chance(counted, drawn.low, drawn.high)
        return Tested(label=name, counted=counted, law=drawn, p=p, requests=requests, connections=connections)

    def _by_connection(self, name: str, counts: Counts, first: Counts | None) -> Counted:
        """How many connections a label had: counted by their first answers, else as far as the requests tell."""
        one = self.one
        trials = max(1, one.connections or 1)
        if first is not None:
            hits = first.get(name, 0)
            return Counted(low=hits, high=hits + max(0, trials - sum(first.values()) - one.failed), trials=trials)
        size, rest = divmod(one.requests, trials)
        if not rest and size and all(count % size == 0 for count in (*counts.values(), one.failed)):
            return Counted(low=counts[name] // size, high=counts[name] // size, trials=trials)
        others = sum(count > 0 for other, count in counts.items() if other != name) + (one.failed > 0)
        return Counted(low=1 if counts[name] else 0, high=trials - others if counts[name] else 0, trials=trials)

    def _published(self, label: Label, choices: Choice | int, ends: tuple[Answerer, ...]) -> Tested:
        """A published share: the counts that fit it best. Without a number of requests, only whether ranges meet."""
        one = self.one
        drawn = law(choices, ends, label.fits, connections=one.connections is not None)
        low, high = one.shares[label.name]
        trials = (one.connections or one.requests) if drawn.unit is Unit.CONNECTION else one.requests
        if not trials:
            meets = low <= drawn.high and drawn.low <= high
            return Tested(label=label.name, counted=None, law=drawn, p=1.0 if meets else 0.0, said=(low, high))
        counted = _within(low, high, trials)
        p = chance(counted, drawn.low, drawn.high)
        requests = _within(low, high, one.requests) if one.requests else None
        return Tested(label=label.name, counted=counted, law=drawn, p=p, said=(low, high), requests=requests)


def _within(low: Fraction, high: Fraction, trials: int) -> Counted:
    """The counts that a published share can mean; the nearest ones where it falls between two."""
    first, last = ceil(low * trials), floor(high * trials)
    return Counted(low=min(first, last), high=max(first, last), trials=trials)


def _kept(tests: Sequence[Tested]) -> tuple[str, ...]:
    """What a choice that is kept for many requests does to a test."""
    found = dict.fromkeys(str(test.law.unit) for test in tests if not test.law.exact)
    return tuple(
        f"drawn once for each {unit} and kept, and how many there were is not known: any share may have come out"
        for unit in found
    )


def _same(own: Call, call: Call) -> bool:
    return (own.caller.name, own.address, own.path, dict(own.headers), own.connection) == (
        call.caller.name,
        call.address,
        call.path,
        dict(call.headers),
        call.connection,
    )
