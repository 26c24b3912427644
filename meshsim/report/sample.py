"""A sample as a curl loop's user reads it (`uniq -c`), as plain values, and as comma-separated values."""

import csv
from collections.abc import Iterator, Sequence
from io import StringIO
from typing import Any, Final

from meshsim.analysis.power import LEVEL, PowerNote, sentence
from meshsim.analysis.sampling import Sample, Tally
from meshsim.analysis.sampling_time import LaneSample
from meshsim.model.shares import percent
from meshsim.report.data import as_json, power
from meshsim.report.words import clean, when

SCHEMA: Final = "meshsim/sample/v1"
KINDS: Final = ("version", "pod", "cluster")
Moments = Sequence[tuple[float | str | None, Sequence[Sample]]]


def table(found: Moments, kinds: Sequence[str] = KINDS) -> str:
    """`uniq -c` lines for each client, with what was to be expected, the interval, and what a check would need."""
    blocks = []
    for at, samples in found:
        lines = [] if at is None and len(found) == 1 else [f"{'at rest' if at is None else when(at)}:", ""]
        for one in samples:
            lines += [*_block(one, kinds), ""]
        blocks.append("\n".join(lines))
    return "\n".join(blocks).rstrip("\n") + "\n"


def _block(one: Sample, kinds: Sequence[str]) -> Iterator[str]:
    first = one.rows[0]
    path = "" if first.path == "/" else f" {clean(first.path)}"
    verdicts = ", ".join(dict.fromkeys(row.verdict.value for row in one.rows))
    masked = ", masked" if any(row.masked for row in one.rows) else ""
    drawn = f"{one.requests:,} requests, seed {one.seed}"
    yield f"{clean(first.frm)} → {clean(first.to)}{path}: {verdicts}{masked} ({drawn})"
    if one.why_not:
        yield f"  {clean(one.why_not)}"
        return
    for kind in kinds:
        tallies = one.by(kind)
        width = max((len(clean(tally.name)) for tally in tallies), default=0)
        yield f"  by {kind}"
        for tally in tallies:
            yield _line(tally, width)
    if one.draws < one.requests:
        yield f"  intervals: {one.requests:,} requests are {one.draws:,} independent draws, one per {one.unit}"
    for law in one.laws:
        yield f"  law: {law}"
    for note in one.power:
        yield f"  check: {check(note)}"
    for cause, comparison in one.against:
        if comparison.needed is not None:
            yield f"  to rule out {clean(cause)}: {sentence(comparison, one.unit)}"
        else:
            yield f"  to rule out {clean(cause)}: no number of requests suffices, the shares are the same"


def _line(tally: Tally, width: int) -> str:
    """As `uniq -c` has it, then the exact share and the interval of the one seen."""
    return (
        f"{tally.count:>7} {clean(tally.name):<{width}}  expected {percent(tally.share)}, "
        f"seen {tally.low:.1%} to {tally.high:.1%}"
    )


def over_time(lanes: Sequence[LaneSample]) -> str:
    """What each client saw in each interval, as `uniq -c` lines."""
    lines: list[str] = []
    for lane in lanes:
        lines.append(f"{clean(lane.frm)} → {clean(lane.to)}{'' if lane.path == '/' else f' {clean(lane.path)}'}")
        for span in lane.spans:
            lines.append(f"  {span.start:g}s to {span.stop:g}s: {span.verdict} ({clean(span.cause)})")
            lines += [
                f"{count:>7} {clean(name)}  expected {percent(span.shares[name])}"
                for name, count in span.counts.items()
            ]
        for one in lane.ejections:
            where = f"{clean(one.hop)} ejects {clean(one.host)} from {clean(one.cluster)}"
            end = f"gone from what it knows at {one.until:g}s" if one.gone else f"back at {one.until:g}s"
            lines.append(f"  ejection: at {one.at:g}s {where}, {end}")
        lines += [f"  law: {clean(law)}" for law in lane.laws]
        lines += [f"  note: {clean(note)}" for note in lane.notes]
        lines.append("")
    return "\n".join(lines)


def check(note: PowerNote) -> str:
    """What a check needs, and what a sequential one saves."""
    if note.sequential_n is None:
        return note.text
    return f"{note.text}; looking after each, {note.sequential_n:,} on average where it is bypassed"


def data(found: Moments, scenario: str) -> dict[str, Any]:
    """Everything as plain values. Counts are per leaf in `leaves`, in the order of the labels' numbers."""
    return {
        "schema": SCHEMA,
        "scenario": scenario,
        "moments": [{"at": at, "samples": [_sample(one) for one in samples]} for at, samples in found],
    }


def as_text(found: Moments, scenario: str) -> str:
    """`data` as JSON."""
    return as_json(data(found, scenario))


def _sample(one: Sample) -> dict[str, Any]:
    first = one.rows[0]
    plain: dict[str, Any] = {
        "from": first.frm,
        "to": first.to,
        "path": first.path,
        "headers": dict(first.headers),
        "connection": one.client.connection,
        "rows": [
            {"rollout": row.rollout, "verdict": row.verdict.value, "masked": row.masked, "reasons": list(row.reasons)}
            for row in one.rows
        ],
        "requests": one.requests,
        "seed": one.seed,
        "unit": one.unit,
        "draws": one.draws,
        "laws": list(one.laws),
        "why_not": one.why_not or None,
    }
    for kind, name in zip(KINDS, ("versions", "pods", "clusters"), strict=True):
        plain[name] = [_tally(tally) for tally in one.by(kind)] if not one.why_not else []
    plain["leaves"] = [
        {"count": count, "exact": str(leaf.share), "version": leaf.version, "pod": leaf.pod, "cluster": leaf.cluster}
        | ({"error": leaf.error} if leaf.error else {})
        for leaf, count in zip(one.leaves, one.counts, strict=True)
    ]
    plain["power"] = [power(note) | {"errors": [str(LEVEL), str(LEVEL)]} for note in one.power]
    plain["rule_out"] = [
        {
            "cause": cause,
            "roles": list(comparison.roles),
            "applied": str(comparison.applied),
            "bypassed": str(comparison.bypassed),
            "needed": comparison.needed,
        }
        for cause, comparison in one.against
    ]
    return plain


def _tally(tally: Tally) -> dict[str, Any]:
    return {
        "name": tally.name,
        "count": tally.count,
        "expected": float(tally.share),
        "exact": str(tally.share),
        "low": tally.low,
        "high": tally.high,
    }


def as_csv(found: Moments) -> str:
    """One line for each version, pod and cluster of each client."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("at", "from", "to", "path", "kind", "name", "count", "requests", "expected", "low", "high"))
    for at, samples in found:
        for one in samples:
            first = one.rows[0]
            for kind in KINDS if not one.why_not else ():
                for tally in one.by(kind):
                    place = ("" if at is None else at, first.frm, first.to, first.path, kind, tally.name)
                    numbers = (tally.count, one.requests, str(tally.share), f"{tally.low:.6f}", f"{tally.high:.6f}")
                    writer.writerow([_inert(cell) for cell in (*place, *numbers)])
    return text.getvalue()


def _inert(cell: object) -> object:
    """A name that a spreadsheet would take for a formula, as text."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in {"=", "+", "-", "@", "\t", "\r"} else cell


def as_npy(one: Sample) -> bytes:
    """The labels of one client's requests as a .npy file (format 1.0): leaf numbers, one a request.

    Written by hand: the header is 80 bytes of text, numpy's import takes longer than a run.
    """
    labels = one.labels()
    kind = {"B": "|u1", "H": "<u2", "I": "<u4"}[labels.typecode]
    if labels.itemsize > 1:
        import sys

        if sys.byteorder == "big":
            labels.byteswap()
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': ({len(labels)},), }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode("ascii") + labels.tobytes()
