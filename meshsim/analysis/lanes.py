"""Lanes: the rows of each call over time, merged while nothing about them changes."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import final

from meshsim.analysis.calls import Call
from meshsim.model.timeline import Lane, Span
from meshsim.model.verdict import Row

LaneKey = tuple[str, str, str, tuple[tuple[str, str], ...], str, str | None]
RowsOfCalls = tuple[tuple[Call, tuple[Row, ...]], ...]


@final
class Lanes:
    """Rows over time, merged while nothing about them changes."""

    def __init__(self) -> None:
        self._spans: dict[LaneKey, list[Span]] = {}
        self._micro: dict[LaneKey, list[Span]] = {}
        self._last: dict[LaneKey, Row] = {}

    def add(
        self,
        rows: RowsOfCalls,
        t: float,
        cause: Callable[[str | None], str],
        *,
        fresh: RowsOfCalls | None = None,
        worst: bool = False,
    ) -> None:
        """`cause` says for a Rollout what began it; `fresh` are the rows if nobody were late: what differs is stale."""
        present: set[LaneKey] = set()
        current = {_lane(row): row for _, found in fresh or () for row in found}
        for _, found in rows:
            for row in found:
                key = _lane(row)
                present.add(key)
                spans = self._spans.setdefault(key, [])
                stale = fresh is not None and not (key in current and same_routing(current[key], row))
                if spans and spans[-1].end is None and same_routing(spans[-1].row, row) and spans[-1].stale == stale:
                    continue
                self._close(spans, t)
                spans.append(
                    Span(start=t, end=None, row=row, cause=cause(row.rollout), stale=stale, worst=stale and worst)
                )
        for key, spans in self._spans.items():
            if key not in present:
                self._close(spans, t)

    def micro(self, rows: RowsOfCalls, t: float, n: int, what: str, concerned: AbstractSet[str] | None) -> None:
        """What holds after one sync; calls of Rollouts that it does not concern only where they change too."""
        for _, found in rows:
            for row in found:
                key = _lane(row)
                if concerned is not None and row.rollout not in concerned and self._last.get(key) is row:
                    continue
                self._last[key] = row
                spans = self._micro.setdefault(key, [])
                if not spans or not same_routing(spans[-1].row, row) or spans[-1].start != t:
                    spans.append(Span(start=t, end=t, row=row, cause=what, n=n, micro=True))

    @staticmethod
    def _close(spans: list[Span], t: float) -> None:
        if spans and spans[-1].end is None:
            spans[-1] = replace(spans[-1], end=t)

    def made(self) -> tuple[Lane, ...]:
        return tuple(
            Lane(
                frm=key[0],
                to=key[1],
                path=key[2],
                headers=dict(key[3]),
                connection=key[4],
                rollout=key[5],
                spans=tuple(spans),
                micro=tuple(self._micro.get(key, ())),
            )
            for key, spans in self._spans.items()
        )


def _lane(row: Row) -> LaneKey:
    headers = tuple(sorted(row.headers.items())) if row.headers else ()
    return (row.frm, row.to, row.path, headers, row.connection, row.rollout)


def same_routing(a: Row, b: Row) -> bool:
    """Whether two rows of a call say the same to its user."""
    return a is b or (
        a.verdict is b.verdict
        and a.masked == b.masked
        and a.reasons == b.reasons
        and a.desired == b.desired
        and a.effective == b.effective
        and a.applied_share == b.applied_share
        and a.errors == b.errors
        and a.versions == b.versions
        and a.clusters == b.clusters
        and a.decided_by == b.decided_by
        and a.hops == b.hops
    )
