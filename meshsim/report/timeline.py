"""A timeline as a printer needs it: one table per Rollout and address, a line an interval, a column a client."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, final

from meshsim.model.frozen import frozen
from meshsim.model.shares import percent
from meshsim.model.timeline import Lane, Showing, Span, Timeline, Window
from meshsim.report.words import clean

_LONGEST: Final = 160
QUIET: Final = "nothing but the clock"
LATE: Final = " reaches a proxy: "
"""What stands between when something happened, and what, in the cause of an interval that a lag began."""


@final
@frozen
class Got:
    """What one client gets in one interval: the verdict, the shares, and why. `bad` is how to set it apart."""

    verdict: str
    text: str
    why: str
    bad: str = ""
    """`error`, `stale`, `masked`, or nothing."""


@final
@frozen
class Stretch:
    """One interval: what the Rollout shows and wants, what each client gets, and what began it."""

    start: str
    end: str
    shows: str
    wants: str
    got: tuple[Got | None, ...]
    cause: str


@final
@frozen
class Table:
    """The intervals of one Rollout and one address."""

    rollout: str
    to: str
    callers: tuple[str, ...]
    lines: tuple[Stretch, ...]


def tables(found: Timeline) -> tuple[Table, ...]:
    """A table for every Rollout and address, in the lanes' order."""
    groups: dict[tuple[str, str], list[Lane]] = {}
    for lane in found.lanes:
        groups.setdefault((lane.rollout or "", lane.to + (lane.path if lane.path != "/" else "")), []).append(lane)
    return tuple(
        Table(
            rollout=clean(rollout),
            to=clean(to),
            callers=tuple(clean(lane.caller) for lane in lanes),
            lines=tuple(_lines(found, rollout, lanes)),
        )
        for (rollout, to), lanes in groups.items()
    )


def _lines(found: Timeline, rollout: str, lanes: Sequence[Lane]) -> Iterator[Stretch]:
    starts = {span.start for lane in lanes for span in lane.spans}
    starts |= {span.end for lane in lanes for span in lane.spans if span.end is not None}
    starts |= {showing.t for showing in found.showings if showing.rollout == rollout}
    moments = sorted(starts)
    last: tuple[object, ...] = ()
    kept: list[tuple[float, Stretch]] = []
    for t in moments:
        shown = found.shown(rollout, t)
        spans = [lane.at(t) for lane in lanes]
        spans = [span if span is not None and (span.end is None or span.end > t) else None for span in spans]
        stretch = Stretch(
            start=moment(t),
            end="",
            shows=status(shown),
            wants="" if shown is None else percent(shown.desired),
            got=tuple(_got(span) for span in spans),
            cause=_cause(found, t, spans, rollout),
        )
        facts = (stretch.shows, stretch.wants, stretch.got)
        if facts != last:
            kept.append((t, stretch))
            last = facts
    ends = [moment(t) for t, _ in kept[1:]] + [""]
    for (_, stretch), end in zip(kept, ends, strict=True):
        if any(got is not None for got in stretch.got):
            yield replace(stretch, end=end)


def status(shown: Showing | None) -> str:
    """The lines of `kubectl argo rollouts get rollout`, in one."""
    if shown is None:
        return ""
    step = f"{shown.step} " if shown.step else ""
    reason = {"Paused": shown.message, "Degraded": shown.message.partition(":")[0]}.get(shown.phase, "")
    phase = f"{shown.phase} {reason}"
    return f"{step}set {shown.set_weight} actual {shown.actual_weight} {phase}".strip()


def moment(t: float) -> str:
    """An instant.

    >>> moment(0), moment(90.5), moment(7265)
    ('0s', '90.5s', '2h1m5s')
    """
    if t < 3600:
        return f"{t:g}s"
    whole, rest = divmod(t, 60)
    hours, minutes = divmod(int(whole), 60)
    return f"{hours}h" + (f"{minutes}m" if minutes or rest else "") + (f"{rest:g}s" if rest else "")


def _got(span: Span | None) -> Got | None:
    if span is None:
        return None
    row = span.row
    bad = "masked" if row.masked else ""
    if row.effective is None:
        return Got(verdict=row.verdict.value, text="?", why=" ".join(row.reasons), bad=bad)
    parts = [] if row.desired is None and not row.effective.canary else [f"canary {percent(row.effective.canary)}"]
    if row.effective.other:
        parts.append(f"other {percent(row.effective.other)}")
    if row.effective.error:
        codes = "/".join(sorted({error.code for error in row.errors}))
        parts.append(f"ERRORS {percent(row.effective.error)} ({codes})")
        bad = "error"
    elif span.stale:
        bad = "stale"
    if span.stale:
        parts.append("stale, worst order" if span.worst else "stale")
    return Got(verdict=row.verdict.value, text=", ".join(parts), why=" ".join(row.reasons), bad=bad)


def _cause(found: Timeline, t: float, spans: Sequence[Span | None], rollout: str | None) -> str:
    """What happened at an instant: users' entries first, else pods, else what the controllers wrote; what happened to
    other Rollouts only where nothing else did."""
    everything = [one for one in found.happened if one.t == t]
    others = set(found.rollouts) - {rollout}
    there = [one for one in everything if not others & {one.subject, *one.what.split()[1:2]}] or everything
    for kind in ("entry", "pods", "sync"):
        told = [one.what for one in there if one.kind == kind]
        if told:
            return _short("; ".join(dict.fromkeys(told)), rollout)
    cause = next((span.cause for span in spans if span is not None and span.start == t), QUIET)
    head, late, _ = cause.partition(LATE)
    return _short(head + late.rstrip(": "), rollout)


_IMAGE: Final = re.compile(r"(?<=[ (]image )(?:[^\s/,)]+/)+(?=[^\s/,)]+)")
_SET: Final = re.compile(r"\(container ([^,()]+), image ([^()]+)\)")


def _short(text: str, rollout: str | None) -> str:
    """Without what the table's heading says: the Rollout's name, also before its pod-template hashes; images without
    their registry."""
    text = clean(text)
    if rollout:
        text = text.replace(f" {clean(rollout)}", "")
        text = re.sub(rf"\b{re.escape(clean(rollout).rpartition('/')[2])}-(?=[4-9bcdf]{{1,10}}\b)", "", text)
    text = _SET.sub(r"\1 to \2", _IMAGE.sub("", text))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1].rstrip() + "…"


@final
@frozen
class Incident:
    """Windows alike: `kind` and what it says, `when`, and the calls it concerns."""

    kind: str
    when: str
    sentence: str
    calls: tuple[str, ...]


def incidents(found: Timeline) -> tuple[Incident, ...]:
    """Windows in order of time: one after the other of the same call as one, the same at the same time together."""
    joined: list[tuple[Window, str]] = []
    for window in sorted(found.windows, key=lambda one: one.start):
        lane = found.lanes[window.lane]
        call = f"{clean(lane.caller)} → {clean(lane.to)}"
        before = next(
            (
                place
                for place, (one, other) in enumerate(joined)
                if (other, one.end, one.kind, one.sentence) == (call, window.start, window.kind, window.sentence)
            ),
            None,
        )
        if before is None:
            joined.append((window, call))
        else:
            joined[before] = (replace(joined[before][0], end=window.end), call)
    groups: dict[tuple[str, str, str], list[str]] = {}
    for window, call in joined:
        groups.setdefault((window.kind, _when(window), window.sentence), []).append(call)
    return tuple(
        Incident(kind=kind, when=when, sentence=sentence, calls=tuple(dict.fromkeys(calls)))
        for (kind, when, sentence), calls in groups.items()
    )


def window_text(found: Timeline, window: Window) -> str:
    """A window in words: `240s to 243s (3s): …`."""
    lane = found.lanes[window.lane]
    return f"{_when(window)}: {clean(lane.caller)} → {clean(lane.to)}: {window.sentence}"


def _when(window: Window) -> str:
    end = "the end" if window.end is None else moment(window.end)
    length = "" if window.end is None else f" ({moment(window.end - window.start)})"
    return f"{moment(window.start)} to {end}{length}"


PHASES: Final = {"Healthy": "✔", "Degraded": "✖", "Paused": "॥", "Progressing": "◌"}
"""The CLI's glyphs (argo-rollouts pkg/kubectl-argo-rollouts/info)."""


def rollout_page(shown: Showing, *, drawn: bool) -> list[tuple[str, str]]:
    """(label, value) lines as `kubectl argo rollouts get rollout` prints them."""
    _, namespace, name = shown.rollout.split("/")
    glyph = f"{PHASES.get(shown.phase, '?')} " if drawn else ""
    lines = [
        ("Name:", clean(name)),
        ("Namespace:", clean(namespace)),
        ("Status:", f"{glyph}{shown.phase}"),
    ]
    if shown.message:
        lines.append(("Message:", clean(shown.message)))
    lines.append(("Strategy:", "Canary"))
    if shown.step:
        lines.append(("  Step:", shown.step))
    lines += [("  SetWeight:", shown.set_weight), ("  ActualWeight:", shown.actual_weight)]
    for index, (image, role) in enumerate(shown.images):
        lines.append(("Images:" if not index else "", clean(image) + (f" ({role})" if role else "")))
    lines.append(("Replicas:", ""))
    for label, count in zip(("Desired", "Current", "Updated", "Ready", "Available"), shown.counts, strict=True):
        lines.append((f"  {label}:", str(count)))
    lines.append(("ReplicaSets:", ""))
    for name, role, available, wanted in shown.replicas:
        lines.append((f"  {clean(name)}", f"{available}/{wanted}" + (f" {role}" if role else "")))
    return lines
