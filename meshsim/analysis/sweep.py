"""Every variant of a scenario, answered by the tree of settings that are looked at.

A run answers one call with the settings that it looks at, and no other: what nobody looks at cannot matter. So one run
answers all variants that agree in those, and the tree of what is looked at next has as many leaves as there are
different ways to look, however many variants there are.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import Any, Final, Protocol, final

from meshsim.analysis.asked import Asked
from meshsim.analysis.settings import setting
from meshsim.analysis.sweep_part import Part, of_part, part_of
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.variants import Choices, Setting, Variants
from meshsim.model.errors import Bug, InputError, UsageError
from meshsim.model.evidence import Source
from meshsim.model.frozen import frozen, record
from meshsim.model.verdict import At, Found, in_brief
from meshsim.scenario.scenario import CallSpec

TASK_SECONDS: Final = 0.25
"""How long a task of an executor grows its part of the tree before it hands back what is left."""
MOST_RUNS: Final = 100_000
Taken = tuple[tuple[int, int], ...]
"""(setting, value) by position, in the order of looking."""


@final
@record
class Leaf:
    """One answer, for every variant that agrees in `taken`."""

    call: int
    taken: Taken
    rows: tuple[Found, ...]


@final
@frozen
class Sweep:
    """All variants of a scenario. `leaves` are in the order of the grid; `calls` are what they answer."""

    scenario: str
    settings: tuple[Setting, ...]
    calls: tuple[CallSpec, ...]
    leaves: tuple[Leaf, ...]
    moment: At | None = None
    """The moment, where no setting varies it; None at rest."""

    @property
    def variants(self) -> int:
        """Points of the grid, of one call."""
        return prod(len(one.options) for one in self.settings)

    def covered(self, leaf: Leaf) -> int:
        """How many variants a leaf answers."""
        return self.variants // prod(len(self.settings[index].options) for index, _ in leaf.taken)

    def of(self, call: int) -> tuple[Leaf, ...]:
        """The leaves of one call."""
        return tuple(leaf for leaf in self.leaves if leaf.call == call)

    def at(self, call: int, point: Sequence[int]) -> Leaf:
        """The leaf that answers one point of the grid: the position of a value for every setting."""
        return next(leaf for leaf in self.of(call) if all(point[index] == value for index, value in leaf.taken))


class Record(Protocol):
    """Where leaves are kept as they are found."""

    def known(self) -> Iterable[Leaf]: ...

    def keep(self, leaves: Iterable[Leaf]) -> None: ...


@final
class Explorer:
    """Answers variants of one session: what a task of an executor carries."""

    def __init__(self, session: Asked, settings: tuple[Setting, ...], at: At | None, mode: str) -> None:
        self._asked = session.forked(session.mesh)
        self.settings = settings
        self._at = at
        self._mode = mode
        asking = [i for i, one in enumerate(settings) if any(option.asks for option in one.options)]
        self._kept = next((i for i in asking if _of_connections(settings[i])), None)
        """The setting that says whether connections are kept, which shares and verdicts need not depend on."""
        self._asking = tuple(i for i in asking if i != self._kept)
        self._variants: Variants | None = None
        self._parts: dict[tuple[str, str], Part | None] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_variants": None, "_parts": {}}

    @property
    def variants(self) -> Variants:
        """The watched Meshes; raises InputError or UsageError for a value that cannot be."""
        if self._variants is None:
            self._variants = Variants(self._asked.mesh, self.settings)
        return self._variants

    def _part(self, spec: CallSpec) -> Part | None:
        key = (spec.frm, spec.to)
        if key not in self._parts:
            self._parts[key] = part_of(self._asked, self.variants, self.settings, spec, self._at, self._mode)
        return self._parts[key]

    def grow(self, call: int, spec: CallSpec, stems: Sequence[Taken], seconds: float) -> tuple[list[Leaf], list[Taken]]:
        """Leaves from the stems on, and the stems that are left when the time is over. One leaf at least."""
        end = time.monotonic() + seconds
        leaves: list[Leaf] = []
        left = list(stems)
        while left and (not leaves or time.monotonic() < end):
            stem = left.pop()
            leaf = self._leaf(call, spec, stem)
            leaves.append(leaf)
            left += branches(leaf, stem, self.settings)
        return leaves, left

    def _leaf(self, call: int, spec: CallSpec, stem: Taken) -> Leaf:
        choices = Choices(self.settings, dict(stem))
        rows = tuple(self._rows(spec, choices))
        taken = tuple(choices.taken.items())
        if taken[: len(stem)] != stem:
            msg = f"a run looked at other settings than the one before it: {taken} after {stem}"
            raise Bug(msg)
        return Leaf(call=call, taken=taken, rows=rows)

    def _rows(self, spec: CallSpec, choices: Choices) -> Iterator[Found]:
        whole = spec
        asks: dict[str, Any] = {}
        for index in self._asking:
            for key, value in choices.take(index).asks.items():
                asks[key] = {**asks.get(key, {}), **value} if key == "headers" else value
        at, headers = asks.pop("at", self._at), {**spec.headers, **asks.pop("headers", {})}
        if self._kept is not None:
            asks["connection"] = _Connection(choices, self._kept)
        spec = replace(spec, **asks, headers={key: value for key, value in headers.items() if value is not None})
        try:
            mesh = self.variants.watched(choices)
            part = self._part(whole)
            for _, rows in self._asked.asking(mesh if part is None else of_part(mesh, part), spec).rows(at, self._mode):
                yield from map(in_brief, rows)
        except (InputError, UsageError) as error:
            yield Found(verdict="refused", refused=str(error).partition("\n")[0])


def _of_connections(one: Setting) -> bool:
    return all(option.asks.keys() == {"connection"} and not option.edits for option in one.options)


@final
class _Connection:
    """How a call connects, chosen when somebody looks at it."""

    def __init__(self, choices: Choices, index: int) -> None:
        self._choices = choices
        self._index = index

    def __str__(self) -> str:
        return str(self._choices.take(self._index).asks["connection"])

    def __eq__(self, other: object) -> bool:
        return str(self) == other

    def __hash__(self) -> int:
        return hash(str(self))


def branches(leaf: Leaf, stem: Taken, settings: Sequence[Setting]) -> Iterator[Taken]:
    """The stems that part from a leaf's path below its own stem: every other value of what it looked at."""
    for depth in range(len(stem), len(leaf.taken)):
        index = leaf.taken[depth][0]
        for value in range(1, len(settings[index].options)):
            yield (*leaf.taken[:depth], (index, value))


def sweep(
    session: Asked,
    vary: Mapping[str, Sequence[Any]] | Sequence[Setting],
    *,
    at: At | None = None,
    mode: str = "auto",
    frm: str | None = None,
    to: str | None = None,
    executor: Executor | None = None,
    record: Callable[[str, Sequence[Setting]], Record] | None = None,
    most_runs: int = MOST_RUNS,
    progress: Callable[[Fraction], None] | None = None,
) -> Sweep:
    """All variants of a session: settings with their values, as `{"replicas:c1/Rollout/shop/cart": [1, 4]}`.

    Without `at`, and where no setting varies it, the moments of `meshsim run` are a setting too. `frm` and `to` pick
    calls by a part of their names. `executor` is any of `concurrent.futures`; the answer is the same whoever runs it.
    `record` makes where leaves are kept, given what identifies the sweep. `progress` is told the share that is done.
    Raises UsageError for settings that cannot be, InputError for objects that are not there.
    """
    settings = _settings(session, vary, at, mode)
    moments = next((one for one in settings if one.name == "at"), None)
    at = moments.options[0].asks["at"] if moments is not None else session.moments(at, mode)[0][0]
    calls = tuple(_calls(session, at, mode, frm, to))
    explorer = Explorer(session, settings, at, mode)
    explorer.variants  # noqa: B018  what cannot be is said before anything runs
    kept = record(_identity(session, settings, calls, at, mode), settings) if record is not None else None
    found, open_stems = _taken_up(kept, calls, settings)
    total = Sweep(scenario=session.scenario.name, settings=settings, calls=calls, leaves=(), moment=at)
    done = sum((Fraction(total.covered(leaf), total.variants) for leaf in found), Fraction(0))

    def take(leaves: list[Leaf]) -> None:
        nonlocal done
        if kept is not None:
            kept.keep(leaves)
        found.extend(leaves)
        done += sum((Fraction(total.covered(leaf), total.variants) for leaf in leaves), Fraction(0))
        if progress is not None:
            progress(done / max(len(calls), 1))
        if len(found) > most_runs:
            msg = f"more than {most_runs:,} runs, and {float(100 * done / max(len(calls), 1)):.2g} % of the grid done"
            raise UsageError(msg, hint="vary less, pick calls with --from and --to, or raise --most-runs")

    grow = _here if executor is None else _elsewhere
    grow(explorer, calls, open_stems, take, executor)
    leaves = sorted(found, key=lambda leaf: (leaf.call, _place(leaf, settings)))
    return replace(total, leaves=tuple(leaves))


def _here(
    explorer: Explorer,
    calls: Sequence[CallSpec],
    stems: Mapping[int, list[Taken]],
    take: Callable[[list[Leaf]], None],
    _: Executor | None,
) -> None:
    for call, left in stems.items():
        while left:
            leaves, left = explorer.grow(call, calls[call], left, TASK_SECONDS)
            take(leaves)


def _elsewhere(
    explorer: Explorer,
    calls: Sequence[CallSpec],
    stems: Mapping[int, list[Taken]],
    take: Callable[[list[Leaf]], None],
    executor: Executor | None,
) -> None:
    import pickle

    assert executor is not None
    carried = pickle.dumps(explorer)
    parts = 2 * int(getattr(executor, "_max_workers", 0) or 4)
    running: dict[Future[tuple[list[Leaf], list[Taken]]], int] = {}

    def send(call: int, left: list[Taken]) -> None:
        for share in (left[start::parts] for start in range(min(parts, len(left)))):
            running[executor.submit(grown, carried, call, calls[call], share, TASK_SECONDS)] = call

    try:
        for call, left in stems.items():
            send(call, left)
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                call = running.pop(future)
                leaves, left = future.result()
                take(leaves)
                send(call, left)
    finally:
        for future in running:
            future.cancel()


_LOADED: dict[bytes, Explorer] = {}


def grown(
    carried: bytes, call: int, spec: CallSpec, stems: Sequence[Taken], seconds: float
) -> tuple[list[Leaf], list[Taken]]:
    """A task: an explorer's own `grow`, in whatever process. The explorer is unpacked once a process."""
    import pickle

    name = hashlib.sha256(carried).digest()
    if name not in _LOADED:
        _LOADED.clear()
        _LOADED[name] = pickle.loads(carried)  # noqa: S301  our own, handed over by the executor
    return _LOADED[name].grow(call, spec, stems, seconds)


def _settings(
    session: Asked, vary: Mapping[str, Sequence[Any]] | Sequence[Setting], at: At | None, mode: str
) -> tuple[Setting, ...]:
    given = tuple(setting(name, values) for name, values in vary.items()) if isinstance(vary, Mapping) else tuple(vary)
    names = [one.name for one in given]
    if len(set(names)) != len(names):
        msg = f"{next(name for name in names if names.count(name) > 1)} is varied twice"
        raise UsageError(msg)
    if at is not None and "at" in names:
        msg = "both --at and a setting `at` are given"
        raise UsageError(msg, hint="leave one of them out")
    moments = session.moments(at, mode)
    if at is None and "at" not in names and len(moments) > 1:
        return (setting("at", [moment for moment, _ in moments]), *given)
    return given


def _calls(session: Asked, at: At | None, mode: str, frm: str | None, to: str | None) -> Iterator[CallSpec]:
    """The calls of the scenario as it stands, each by its full name."""
    where = Source("sweep")
    named = dict.fromkeys(
        (row.frm, row.to, row.path, tuple(row.headers.items()), row.connection)
        for _, rows in session.rows(at, mode)
        for row in rows
        if (frm is None or frm in row.frm) and (to is None or to in row.to)
    )
    if not named:
        msg = "there is no call to sweep"
        raise UsageError(msg, hint="`meshsim run` lists the calls")
    for caller, callee, path, headers, connection in named:
        yield CallSpec(
            frm=caller,
            to=callee,
            path=path,
            headers=dict(headers),
            connection="keep-alive" if connection == "keep-alive" else "new",
            source=where,
        )


def _identity(session: Asked, settings: Sequence[Setting], calls: Sequence[CallSpec], at: At | None, mode: str) -> str:
    """What makes two sweeps the same: their Mesh, timeline (with what it applies), lags, settings and calls."""
    from meshsim.version import VERSION

    scenario = session.scenario
    content = [
        VERSION,
        session.mesh.digest(),
        [[entry.verb, dict(entry.args), entry.at, entry.when, entry.after] for entry in scenario.timeline],
        [repr(scenario.timing), repr(scenario.propagation), repr(scenario.traffic)],
        [[one.name, *(option.text for option in one.options)] for one in settings],
        [[call.frm, call.to, call.path, sorted(call.headers.items()), call.connection] for call in calls],
        [at, mode],
    ]
    text = json.dumps(content, sort_keys=True, default=lambda one: one.data if isinstance(one, Manifest) else str(one))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _taken_up(
    kept: Record | None, calls: Sequence[CallSpec], settings: Sequence[Setting]
) -> tuple[list[Leaf], dict[int, list[Taken]]]:
    """What is known already, and the stems from which to go on, by call."""
    known = {(leaf.call, _stem(leaf)): leaf for leaf in kept.known()} if kept is not None else {}
    found: list[Leaf] = []
    stems: dict[int, list[Taken]] = {}
    for call in range(len(calls)):
        left: list[Taken] = [()]
        stems[call] = []
        while left:
            stem = left.pop()
            leaf = known.get((call, stem))
            if leaf is None:
                stems[call].append(stem)
            else:
                found.append(leaf)
                left += branches(leaf, stem, settings)
    return found, stems


def _stem(leaf: Leaf) -> Taken:
    """The stem that a leaf grew from: its path up to the last value that is not the first."""
    last = max((depth for depth, (_, value) in enumerate(leaf.taken) if value), default=-1)
    return leaf.taken[: last + 1]


def _place(leaf: Leaf, settings: Sequence[Setting]) -> tuple[int, ...]:
    """A leaf's first point of the grid."""
    taken = dict(leaf.taken)
    return tuple(taken.get(index, 0) for index in range(len(settings)))
