"""Windows: stretches in which a client gets errors, or what a stale proxy decides."""

from collections.abc import Iterator, Sequence
from fractions import Fraction

from meshsim.model.shares import percent
from meshsim.model.timeline import Lane, Span, Window
from meshsim.model.verdict import Row


def windows_of(lanes: Sequence[Lane]) -> tuple[Window, ...]:
    """Every window of every lane, in order of time."""
    found = [window for index, lane in enumerate(lanes) for window in _of_lane(index, lane)]
    return tuple(sorted(found, key=lambda window: (window.start, window.lane, window.kind)))


def _of_lane(index: int, lane: Lane) -> Iterator[Window]:
    for kind in ("error", "stale"):
        run: list[Span] = []
        for span in lane.spans:
            if _counts(kind, span):
                run.append(span)
                continue
            yield from _window(kind, index, run)
            run = []
        yield from _window(kind, index, run)


def _counts(kind: str, span: Span) -> bool:
    effective = span.row.effective
    if kind == "error":
        return effective is not None and bool(effective.error)
    return span.stale and effective is not None and span.row.desired is not None and not effective.error


def _window(kind: str, index: int, run: Sequence[Span]) -> Iterator[Window]:
    if not run:
        return
    worst = max(run, key=lambda span: _share(kind, span.row))
    share = _share(kind, worst.row)
    row = worst.row
    if kind == "error":
        codes = sorted({f"{e.code} {e.flag}".strip() for span in run for e in span.row.errors})
        sentence = f"up to {percent(share)} of requests fail ({', '.join(codes)})"
    else:
        assert row.desired is not None
        assert row.effective is not None
        sentence = f"canary {percent(row.effective.canary)} where {percent(row.desired['canary'])} is wanted"
        if row.effective.other:
            sentence += f", {percent(row.effective.other)} still from a revision that is neither"
    yield Window(kind=kind, start=run[0].start, end=run[-1].end, lane=index, share=share, sentence=sentence)


def _share(kind: str, row: Row) -> Fraction:
    assert row.effective is not None
    if kind == "error":
        return row.effective.error
    assert row.desired is not None
    return abs(row.effective.canary - row.desired["canary"]) + row.effective.other
