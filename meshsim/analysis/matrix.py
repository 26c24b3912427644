"""The verdict of every pair of a client pod and an address, as small numbers.

A resolver run answers one pair. It stands for every client that it would read alike (`reads`), and for every address
whose service differs in nothing but names (`likeness`); the rest is looked up. So 10,000 clients and 1,000 services are
some hundreds of runs and one array.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar, final

from meshsim.analysis.calls import Call, Caller
from meshsim.analysis.judge import judge
from meshsim.analysis.likeness import Likeness
from meshsim.analysis.reads import Asked, Tree
from meshsim.analysis.situation import Situation
from meshsim.controlplane.components import is_component
from meshsim.dataplane.walk import Target
from meshsim.mesh.mesh import SYSTEM_NAMESPACE
from meshsim.mesh.pods import Pod
from meshsim.model.errors import UsageError
from meshsim.model.verdict import Found, Row, Verdict, in_brief

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VERDICTS: Final = tuple(Verdict)
"""What the numbers of `verdicts()` stand for."""
_WORST: Final = (
    Verdict.FAILING,
    Verdict.BYPASSED,
    Verdict.PARTIAL,
    Verdict.SKEWED,
    Verdict.UNDETERMINED,
    Verdict.ELSEWHERE,
    Verdict.APPLIED,
    Verdict.UNGOVERNED,
)
N = TypeVar("N", bound="np.generic")
Outcome = tuple[Found, ...]
"""What a pair gets, of each Rollout that governs it."""


@final
class VerdictMatrix:
    """Client pods × addresses, at one moment.

    `clients` are pods (`cluster/namespace/pod`), the rows; `addresses` are `host:port`, the columns. `outcomes` are the
    different ones that there are; names in them are those of the pair that was run. `runs` counts resolver runs.
    """

    def __init__(self, situation: Situation, pods: Sequence[Pod], addresses: Sequence[str], path: str = "/") -> None:
        import numpy as np

        self.clients = tuple(pod.path for pod in pods)
        self.addresses = tuple(addresses)
        self._situation = situation
        self._pods = tuple(pods)
        self._path = path
        self._asked = [Asked.of(situation, pod) for pod in pods]
        self._outcomes: dict[Outcome, int] = {}
        self.runs = 0
        likeness = Likeness(situation)
        kinds: dict[object, int] = {}
        self._kind_of = np.array(
            [kinds.setdefault(likeness.key(*_split(one)), len(kinds)) for one in addresses], np.intp
        )
        _, firsts = np.unique(self._kind_of, return_index=True)
        self._trees = [Tree[int]() for _ in kinds]
        self._firsts: list[int] = [int(n) for n in firsts]
        self._class_of, table = self._classes()
        self._table = np.array(table, np.uint16 if len(self._outcomes) <= 1 << 16 else np.uint32).reshape(
            -1, len(kinds)
        )
        self._swaps = tuple(self._swapped(likeness))

    def __repr__(self) -> str:
        said = ", ".join(f"{count:,} {verdict.value}" for verdict, count in self.counts().items())
        size = f"{len(self.clients):,} clients × {len(self.addresses):,} addresses"
        return f"<VerdictMatrix {size}: {said or 'nothing'}; {self.runs:,} runs>"

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The different outcomes, in the order of finding."""
        return tuple(self._outcomes)

    @property
    def classes(self) -> int:
        """How many kinds of clients there are: those of one kind get the same at every address."""
        return len(self._table)

    @property
    def kinds(self) -> int:
        """How many kinds of addresses there are."""
        return len(self._trees)

    def verdicts(self, rows: slice = slice(None)) -> "NDArray[np.uint8]":
        """Positions in `VERDICTS`, of shape (clients, addresses), one byte a pair: the worst of a pair's outcome.
        `rows` takes some clients only, where all of them are too many for the memory."""
        import numpy as np

        worst = np.array([VERDICTS.index(worst_of(outcome)) for outcome in self._outcomes], np.uint8)
        return self._gathered(worst[self._table], worst, rows)

    def outcome_numbers(self, rows: slice = slice(None)) -> "NDArray[np.unsignedinteger[Any]]":
        """Positions in `outcomes`, of shape (clients, addresses): two bytes a pair, four where there are more than
        65,536 outcomes."""
        import numpy as np

        return self._gathered(self._table, np.arange(len(self._outcomes), dtype=self._table.dtype), rows)

    def _gathered(self, table: "NDArray[N]", values: "NDArray[N]", rows: slice) -> "NDArray[N]":
        wide = table.take(self._kind_of, axis=1)
        found = wide.take(self._class_of[rows], axis=0)
        start, stop, step = rows.indices(len(self.clients))
        for row, column, outcome in self._swaps:
            if start <= row < stop and (row - start) % step == 0:
                found[(row - start) // step, column] = values[outcome]
        return found

    def counts(self) -> Mapping[Verdict, int]:
        """How many pairs have each verdict."""
        import numpy as np

        total = np.zeros(len(VERDICTS), np.int64)
        block = max(1, (1 << 24) // max(len(self.addresses), 1))
        for start in range(0, len(self.clients), block):
            total += np.bincount(self.verdicts(slice(start, start + block)).ravel(), minlength=len(VERDICTS))
        return {verdict: int(n) for verdict, n in zip(VERDICTS, total, strict=True) if n}

    def rows(self, client: str, address: str) -> tuple[Row, ...]:
        """One pair as `meshsim run` says it, with its trace. Raises UsageError for names that are not there."""
        for name, names in ((client, self.clients), (address, self.addresses)):
            if name not in names:
                msg = f"the matrix has no {name!r}"
                raise UsageError(msg, hint="`.clients` and `.addresses` list what it has")
        asked = self._asked[self.clients.index(client)]
        return judge(self._situation, self._call(asked.caller, address))

    def _call(self, caller: Caller, address: str) -> Call:
        host, port = _split(address)
        return Call(caller=caller, to=address, target=Target(host=host, port=port), path=self._path)

    def _classes(self) -> "tuple[NDArray[np.uint32], list[list[int]]]":
        """Every client's class, and the outcome of each class at each kind of address.

        Clients are of one class if they agree in all that any run read; a run that reads something new splits them.
        """
        import numpy as np

        names: dict[str, None] = {}
        while True:
            known = len(names)
            classes: dict[tuple[Any, ...], int] = {}
            firsts: list[Asked] = []
            class_of = np.empty(len(self._asked), np.uint32)
            for row, asked in enumerate(self._asked):
                key = tuple(asked.value(name) for name in names)
                if key not in classes:
                    classes[key] = len(firsts)
                    firsts.append(asked)
                class_of[row] = classes[key]
            table = [[self._outcome(kind, asked, names) for kind in range(self.kinds)] for asked in firsts]
            if len(names) == known:
                return class_of, table

    def _outcome(self, kind: int, asked: Asked, names: dict[str, None]) -> int:
        def ask() -> tuple[dict[str, Any], int]:
            self.runs += 1
            caller, readings = asked.noting()
            rows = judge(self._situation, self._call(caller, self.addresses[self._firsts[kind]]))
            names.update(dict.fromkeys(readings))
            return readings, self._outcomes.setdefault(tuple(map(in_brief, rows)), len(self._outcomes))

        return self._trees[kind].find(asked.value, ask)

    def _swapped(self, likeness: Likeness) -> Iterator[tuple[int, int, int]]:
        """(row, column, outcome) where names that were exchanged are the client's own: it gets what its counterpart
        in the other service's group gets."""
        places: dict[tuple[int, object, int], int] = {}
        members: dict[int, list[tuple[int, object, int]]] = {}
        seen: dict[tuple[str, str, str], int] = {}
        for row, pod in enumerate(self._pods):
            workload = (pod.cluster, pod.namespace, pod.workload)
            ordinal = seen[workload] = seen.get(workload, -1) + 1
            place = likeness.place(*workload)
            if place is not None:
                where = (id(place[0]), place[1], ordinal)
                places[where] = row
                members.setdefault(where[0], []).append(where)
        for column, address in enumerate(self.addresses):
            kind = int(self._kind_of[column])
            first = likeness.group(_split(self.addresses[self._firsts[kind]])[0])
            group = likeness.group(_split(address)[0])
            if first is None or group is None or first is group:
                continue
            for mine, other in ((group, first), (first, group)):
                for ident, place_in, ordinal in members.get(id(mine), ()):
                    row = places[ident, place_in, ordinal]
                    counterpart = places[id(other), place_in, ordinal]
                    outcome = int(self._table[self._class_of[counterpart], kind])
                    if outcome != self._table[self._class_of[row], kind]:
                        yield row, column, outcome


def worst_of(outcome: Outcome) -> Verdict:
    """The verdict that counts where several Rollouts govern a pair."""
    return min((Verdict(row.verdict) for row in outcome), key=_WORST.index)


def client_pods(situation: Situation, part: str | None = None) -> list[Pod]:
    """The ready pods that are users' own; `part` picks some by a part of `cluster/namespace/pod`."""
    return [
        pod
        for name, cluster in sorted(situation.mesh.clusters.items())
        for pod in situation.plane.registry.pods(name)
        if pod.ready and (part is None or part in pod.path) and not is_component(cluster, pod)
    ]


def all_addresses(situation: Situation, part: str | None = None) -> list[str]:
    """Every `host:port` of a user's Service that some cluster knows; `part` picks some by a part of it."""
    found = {
        f"{host}:{port.number}"
        for cluster in situation.mesh.clusters
        for host, service in situation.plane.known(cluster).items()
        if service.namespace != SYSTEM_NAMESPACE
        for port in service.ports
    }
    return sorted(address for address in found if part is None or part in address)


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        msg = f"{address!r} is no address"
        raise UsageError(msg, hint="write host:port")
    return host, int(port)
