"""Rows after each frame of a run: every distinct routing is compiled and resolved once, and only where it changed."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, final

from meshsim.analysis.asked import Asked
from meshsim.analysis.calls import Call, expand
from meshsim.analysis.fingerprints import Fingerprints
from meshsim.analysis.judge import judge
from meshsim.analysis.lanes import RowsOfCalls
from meshsim.analysis.parts import Parts, divisible
from meshsim.analysis.situation import Situation
from meshsim.model.evidence import Source
from meshsim.model.verdict import Row
from meshsim.scenario.scenario import CallSpec
from meshsim.simulation.events import History

MANY: Final = 8
"""Rollouts from which on a Mesh is answered in parts: below it, the whole is compiled sooner than it is divided."""
Answer = tuple[Call, tuple[Row, ...]]


@final
class Rows:
    """The rows after each frame of a history; `frm` and `to` pick calls.

    `parted` says whether parts of the Mesh that have nothing to do with each other are answered apart (default: where
    there are many Rollouts). It changes the cost alone.
    """

    def __init__(
        self, session: Asked, history: History, frm: str | None, to: str | None, *, parted: bool | None = None
    ) -> None:
        self.session = session
        self._history = history
        self._frm, self._to = frm, to
        self._prints = Fingerprints()
        self._known: dict[object, RowsOfCalls] = {}
        mesh = history.frames[0].base.mesh if history.frames[0].base is not None else session.mesh
        many = len(history.deployed(0).states) >= MANY
        self._parts = Parts() if (many if parted is None else parted) and divisible(mesh) else None
        self.resolved = 0
        """How many calls were resolved: the cost of it all."""
        self._units: tuple[int | None, tuple[_Unit, ...]] = (None, ())

    def at(self, index: int) -> RowsOfCalls:
        """Every picked call with its rows after a frame."""
        if self._parts is not None:
            return tuple(self._by_parts(self._parts, index))
        deployed = self._history.deployed(index)
        key = self._prints.of(deployed)
        if key not in self._known:
            situation = Situation(deployed)
            calls = [call for call in self.session.calls_in(situation) if self.picked(call)]
            self._known[key] = tuple((call, judge(situation, call)) for call in calls)
            self.resolved += len(calls)
        return self._known[key]

    def picked(self, call: Call) -> bool:
        """Whether a call is one that was asked for."""
        if self._frm is not None and self._frm not in _names(call.caller.name):
            return False
        return self._to is None or self._to in {call.to, call.address, call.address.rpartition(":")[0]}

    def _by_parts(self, parts: Parts, index: int) -> Iterator[Answer]:
        parts.look(self._history.deployed(index))
        inventory = parts.inventory()
        if self._units[0] != inventory:
            self._units = (inventory, tuple(self._made(parts, index)))
        prints: dict[frozenset[str] | None, object] = {}
        situations: dict[frozenset[str] | None, Situation] = {}
        for unit in self._units[1]:
            if unit.parts not in prints:
                prints[unit.parts] = self._print(parts, unit.parts, index)
            found = prints[unit.parts]
            if unit.print != found:
                if unit.parts not in situations:
                    whole = unit.parts is None
                    situations[unit.parts] = Situation(
                        self._history.deployed(index) if whole else parts.slice(unit.parts or ())
                    )
                unit.answer = unit.asked(situations[unit.parts])
                unit.print = found
                self.resolved += 1
            yield unit.answer

    def _print(self, parts: Parts, which: frozenset[str] | None, index: int) -> object:
        return self._prints.of(self._history.deployed(index)) if which is None else parts.fingerprint(which)

    def _made(self, parts: Parts, index: int) -> "Iterator[_Unit]":
        situation = Situation(self._history.deployed(index))
        known = {unit.key: unit for unit in self._units[1]}
        for call in self.session.calls_in(situation):
            if self.picked(call):
                workload = _workload(situation, call)
                unit = _Unit(call, workload, parts.of(call, workload.rpartition("/")[2]))
                before = known.get(unit.key)
                if before is not None and before.call.caller.members == call.caller.members:
                    unit.print, unit.answer = before.print, before.answer
                yield unit


@final
class _Unit:
    """One call, with what its answer depends on and the last answer."""

    __slots__ = ("answer", "call", "parts", "print", "workload")

    def __init__(self, call: Call, workload: str, parts: frozenset[str] | None) -> None:
        self.call = call
        self.workload = workload
        self.parts = parts
        self.print: object = None
        self.answer: Answer = (call, ())

    @property
    def key(self) -> object:
        call = self.call
        headers = tuple(sorted(call.headers.items()))
        return call.caller.name, call.to, call.path, headers, call.connection, self.parts

    def asked(self, situation: Situation) -> Answer:
        """The call and its rows in a situation: its client may have other pods by now."""
        spec = CallSpec(
            frm=self.workload or self.call.caller.name,
            to=self.call.to,
            path=self.call.path,
            headers=self.call.headers,
            connection="keep-alive" if self.call.connection == "keep-alive" else "new",
            source=Source("timeline"),
        )
        [found] = expand(situation, spec)
        caller = replace(found.caller, name=self.call.caller.name, members=self.call.caller.members)
        call = replace(found, caller=caller)
        return call, judge(situation, call)


def _workload(situation: Situation, call: Call) -> str:
    """`cluster/namespace/workload` of a client that is one; "" for a gateway, and outside the meshes."""
    for _, client in call.caller.clients:
        if client.kind == "pod" and client.uid:
            registry = situation.plane.registry
            pod = registry.pod_by_uid.get(client.uid) or registry.absent[client.uid]
            return f"{pod.cluster}/{pod.namespace}/{pod.workload}"
    return ""


def _names(caller: str) -> set[str]:
    """What a client location may be called: its name, a suffix of it, or its cluster."""
    parts = caller.split("/")
    return {caller, parts[0], parts[-1], "/".join(parts[-2:]), f"{parts[0]}/{parts[-1]}"}
