"""Client pods that note what is read of them, and the tree of what was read.

A call's answer depends on its client through what the answer reads of it, and nothing else. So two clients that agree
in everything that an answer read get the same answer, and what is read next is given by what was read before: the
readings of all clients are one tree, with an answer at each leaf. No list of what matters is kept anywhere.
"""

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, cast, final

from meshsim.analysis.calls import Caller
from meshsim.analysis.coverage import looked_at
from meshsim.analysis.situation import Situation
from meshsim.dataplane.walk import Client
from meshsim.mesh.pods import Pod
from meshsim.model.errors import Bug
from meshsim.model.shares import ONE
from meshsim.tables.views import ClusterView, PodRow, Views
from meshsim.tables.workload import Locality, Workload

T = TypeVar("T")
Readings = dict[str, Any]
"""What was read, in order: `client.cluster`, `row.capture`, `workload.network` → its value."""


@final
class Noted:
    """A row of the tables that notes which of its fields are read. Facts count as far as an answer looks at them."""

    __slots__ = ("_held", "_kind", "_readings")

    def __init__(self, held: object, kind: str, readings: Readings) -> None:
        self._held = held
        self._kind = kind
        self._readings = readings

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._held, name)
        self._readings[f"{self._kind}.{name}"] = comparable(name, value)
        return value


def comparable(name: str, value: Any) -> Any:
    """A field's value as something that can be compared and hashed."""
    if name.endswith("why"):
        return looked_at(value)
    if isinstance(value, Mapping):
        return tuple(sorted((key, comparable("", item)) for key, item in value.items()))
    return value


@final
class AskedClient:
    """A `Client` of the data plane, that notes what is read of it."""

    __slots__ = ("_prefix", "_readings", "_rows")

    def __init__(self, rows: "Rows", prefix: str, readings: Readings) -> None:
        self._rows = rows
        self._prefix = prefix
        self._readings = readings

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._rows.client, name)
        self._readings[f"{self._prefix}.client.{name}"] = value
        return value

    def row(self, _: Views) -> PodRow | None:
        return cast("PodRow | None", self._noted("row"))

    def workload(self, _: ClusterView, __: PodRow) -> Workload | None:
        return cast("Workload | None", self._noted("workload"))

    def source(self, _: ClusterView, __: PodRow) -> Workload:
        return cast("Workload", self._noted("source"))

    def _noted(self, kind: str) -> Noted | None:
        held = getattr(self._rows, kind)
        self._readings[f"{self._prefix}.{kind}"] = held is not None
        return None if held is None else Noted(held, f"{self._prefix}.{kind}", self._readings)


@final
class Rows:
    """A client pod with its rows of its own cluster's tables."""

    __slots__ = ("client", "row", "source", "workload")

    def __init__(self, situation: Situation, client: Client) -> None:
        self.client = client
        view = situation.plane.cluster(client.cluster)
        self.row = client.row(situation.plane)
        self.workload = client.workload(view, self.row) if self.row is not None else None
        self.source = client.source(view, self.row) if self.row is not None else None


@final
class Asked:
    """A caller made of pods. `value` gives what reading a name of it gives, `noting` the caller that notes."""

    __slots__ = ("_name", "_parts", "_shares")

    def __init__(self, situation: Situation, caller: Caller) -> None:
        self._name = caller.name
        self._parts = tuple(Rows(situation, client) for _, client in caller.clients)
        self._shares = tuple(share for share, _ in caller.clients)

    @classmethod
    def of(cls, situation: Situation, pod: Pod) -> "Asked":
        """One pod."""
        place = Locality(pod.region, pod.zone)
        client = Client(kind="pod", cluster=pod.cluster, namespace=pod.namespace, uid=pod.uid, locality=place)
        return cls(situation, Caller(name=pod.path, clients=((ONE, client),)))

    @property
    def caller(self) -> Caller:
        """The caller as it is."""
        parts = zip(self._shares, self._parts, strict=True)
        return Caller(name=self._name, clients=tuple((share, rows.client) for share, rows in parts))

    def noting(self) -> tuple[Caller, Readings]:
        """The same caller, and where what is read of it will stand."""
        readings: Readings = {"shares": self._shares}
        parts = enumerate(zip(self._shares, self._parts, strict=True))
        clients = tuple((share, cast("Client", AskedClient(rows, str(n), readings))) for n, (share, rows) in parts)
        return Caller(name=self._name, clients=clients), readings

    def value(self, name: str) -> Any:
        """What reading `name` of it gives: `shares`, `0.client.cluster`, `0.row`, `0.row.capture`. Asked of a caller
        with fewer clients, nothing."""
        if name == "shares":
            return self._shares
        number, kind, field = (*name.split(".", 2), "")[:3]
        if int(number) >= len(self._parts):
            return None
        held = getattr(self._parts[int(number)], kind)
        if not field:
            return held is not None
        return comparable(field, getattr(held, field)) if held is not None else None


@final
class Tree(Generic[T]):
    """What clients were asked, and the answer for each way of answering."""

    __slots__ = ("_root",)

    def __init__(self) -> None:
        self._root: _Branch | _Leaf | None = None

    def find(self, value: Callable[[str], Any], ask: Callable[[], tuple[Readings, T]]) -> T:
        """The answer for a client: `value` gives what reading a name of it gives, `ask` is called where no client
        before it was read alike, and gives what it read of this one, and the answer."""
        way: list[tuple[_Branch, Any]] = []
        here = self._root
        while isinstance(here, _Branch):
            way.append((here, value(here.name)))
            here = here.below.get(way[-1][1])
        if here is None:
            here = self._grown(way, *ask())
        return cast("T", here.answer)

    def _grown(self, way: "list[tuple[_Branch, Any]]", readings: Readings, answer: T) -> "_Leaf":
        read = tuple(readings.items())
        if read[: len(way)] != tuple((branch.name, key) for branch, key in way):
            msg = f"an answer read {read} of its client where others read {[branch.name for branch, _ in way]}"
            raise Bug(msg)
        leaf = _Leaf(answer)
        grown: _Branch | _Leaf = leaf
        for name, value in reversed(read[len(way) :]):
            grown = _Branch(name, {value: grown})
        if way:
            branch, key = way[-1]
            branch.below[key] = grown
        else:
            self._root = grown
        return leaf


class _Branch:
    __slots__ = ("below", "name")

    def __init__(self, name: str, below: dict[Any, Any]) -> None:
        self.name = name
        self.below = below


class _Leaf:
    __slots__ = ("answer",)

    def __init__(self, answer: object) -> None:
        self.answer = answer
