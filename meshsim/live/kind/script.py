"""A plan as a bash script to read and to run: the same steps, the same files, and it goes on where it stopped."""

import hashlib
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from meshsim.live.kind.clusters import CLUSTER, NETWORK, deletion
from meshsim.live.kind.steps import (
    VARIABLE,
    Await,
    Check,
    Claim,
    Command,
    Filled,
    Observe,
    Plan,
    Remove,
    Run,
    Secret,
    Step,
    Wait,
    Write,
    work,
)

_LINE: Final = 118
_HEAD: Final = r"""
set -euo pipefail
umask 077
WORK=${WORK:-@WORK@}
mkdir -p "$WORK"
WORK=$(cd "$WORK" && pwd)
result=0

say() { printf '%s\n' "$*" >&2; }
die() {
  say "error: $*"
  say "  run this again to go on from here; with \`delete\` it takes the clusters away"
  exit 3
}

# step NAME TITLE: whether the step is still to be done
step() {
  STEP=$1
  if grep -qxF "done $1" "$WORK/steps" 2>/dev/null; then return 1; fi
  say "== $2"
}
finished() { printf 'done %s\n' "$STEP" >>"$WORK/steps"; }

# within SECONDS COMMAND...: until it succeeds, at most so long
within() {
  local end=$((SECONDS + $1)); shift
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || die "this did not succeed in time: $*"
    sleep 3
  done
}

# await SECONDS PATTERN WHAT COMMAND...: until its output has the pattern
await() {
  local end=$((SECONDS + $1)) wanted=$2 what=$3 got=''; shift 3
  while :; do
    got=$("$@" 2>/dev/null) || got=''
    # shellcheck disable=SC2254
    case $got in $wanted) return 0 ;; esac
    [ "$SECONDS" -lt "$end" ] || die "$what did not come: wanted '$wanted', got '$got'"
    sleep 2
  done
}

# check PATTERN COMPLAINT COMMAND...: its output must have the pattern
check() {
  local wanted=$1 complaint=$2 got=''; shift 2
  got=$("$@" 2>&1) || got=''
  # shellcheck disable=SC2254
  case $got in $wanted) ;; *) say "error: $complaint"; exit 3 ;; esac
}

# ours NAME WHAT: what has this name already was made by an earlier try of this, and may go
ours() {
  grep -qxF "ours $2 $1" "$WORK/steps" 2>/dev/null && return
  say "error: there is a $2 $1 already, and it was not made from $WORK: choose another --prefix"
  exit 3
}

# held CODE: what a comparison said, the worst of all
held() { case $1 in 0) ;; 1) result=1 ;; 4) [ "$result" = 1 ] || result=4 ;; *) exit "$1" ;; esac; }
"""


def _functions(plan: Plan) -> Mapping[str, str]:
    """Context → the function by which the script calls kubectl there."""
    found: dict[str, str] = {}
    for cluster, context in plan.contexts.items():
        name = "on_" + re.sub(r"[^A-Za-z0-9]", "_", cluster)
        found[context] = name if name not in found.values() else f"{name}_{len(found) + 1}"
    return found


def digest(plan: Plan) -> str:
    """What identifies a plan, so that another one does not go on from this one's steps."""
    return hashlib.sha256("\n".join(_body(plan, "")).encode()).hexdigest()[:16]


def script(plan: Plan, directory: str) -> str:
    """The script."""
    lines = [
        "#!/usr/bin/env bash",
        f"# {plan.scenario} on kind clusters: {', '.join(plan.contexts.values())}.",
        "# Written by `meshsim live kind --dry-run`. It touches nothing but these clusters, the Docker network",
        f"# {plan.prefix}, and the files of its working directory, which has a kubeconfig of its own.",
        "# KEEP=1 leaves the clusters at the end; `delete` as its argument takes them away, and does nothing else.",
    ]
    for title, sentences in (("What is not as the scenario has it", plan.notes), ("What is lacking", plan.lacking)):
        if sentences:
            lines += ["#", f"# {title}:", *(_comment(sentence, "#  * ") for sentence in sentences)]
    lines.append(_HEAD.replace("@WORK@", shlex.quote(directory)).rstrip("\n"))
    lines += ["", *_body(plan, digest(plan))]
    return "\n".join(lines) + "\n"


def _body(plan: Plan, identity: str) -> Iterator[str]:
    for context, name in _functions(plan).items():
        yield f'{name}() {{ kubectl "--kubeconfig=$WORK/kubeconfig" --context={context} "$@"; }}'
    yield ""
    yield "remove() {"
    yield "  local name"
    for what in (CLUSTER, NETWORK):
        yield f"  for name in $(sed -n 's/^ours {what} //p' \"$WORK/steps\" 2>/dev/null); do"
        yield f'    say "== delete the {what} $name"'
        yield f"    within 30 {_any(deletion(what, 'NAME'))}"
        yield "  done"
    yield '  rm -f "$WORK/steps"'
    yield "}"
    yield 'if [ "${1:-}" = delete ]; then remove; exit 0; fi'
    yield ""
    yield "missing=''"
    yield f"for program in {' '.join(map(shlex.quote, plan.programs))}; do"
    yield '  command -v "$program" >/dev/null || missing="$missing $program"'
    yield "done"
    yield '[ -z "$missing" ] || { say "error: not on this machine:$missing"; exit 3; }'
    yield f"PLAN={identity}"
    yield 'if [ -s "$WORK/steps" ] && ! grep -qxF "plan $PLAN" "$WORK/steps"; then'
    yield '  say "error: $WORK was begun with another scenario or other options: delete it first, or set WORK"; exit 3'
    yield "fi"
    yield '[ -s "$WORK/steps" ] || printf "plan %s\\n" "$PLAN" >"$WORK/steps"'
    for name in plan.secrets:
        yield f'if [ -z "${{{name}:-}}" ]; then'
        yield f'  say "error: {name} is not set, and Solo Enterprise for Istio takes a licence"; exit 3'
        yield "fi"
    for step in plan.steps:
        yield ""
        yield from _step(plan, step)
    yield ""
    yield 'if [ -z "${KEEP:-}" ]; then remove; else say "the clusters stay; kubectl --kubeconfig $WORK/kubeconfig"; fi'
    yield 'exit "$result"'


def _any(found: Sequence[str]) -> str:
    return " ".join('"$name"' if one == "NAME" else word(one) for one in found)


def _step(plan: Plan, step: Step) -> Iterator[str]:
    if step.always:
        yield _comment(step.title, "# ")
    yield from (_comment(sentence, "# ") for sentence in step.why)
    if step.always:
        for command in step.commands:
            yield from _command(plan, _short(plan, command))
        return
    yield f"if step {shlex.quote(step.name)} {shlex.quote(_line(step.title))}; then"
    for command in step.commands:
        heredoc = False
        for line in _command(plan, _short(plan, command)):
            yield line if heredoc else f"  {line}"
            heredoc = heredoc or isinstance(command, Write)
    yield "  finished"
    yield "fi"


def _short(plan: Plan, command: Command) -> Command:
    """A command in which a function stands for kubectl with its context."""
    if not isinstance(command, Run | Await | Check) or command.words[0] != "kubectl" or len(command.words) < 3:
        return command
    name = _functions(plan).get(command.words[2].removeprefix("--context="))
    return command if name is None else replace(command, words=(name, *command.words[3:]))


def _command(plan: Plan, command: Command) -> Iterator[str]:
    if isinstance(command, Run):
        yield _run(command)
    elif isinstance(command, Write):
        yield from _written(command)
    elif isinstance(command, Secret):
        text, file = shlex.quote(command.text + "%s\n"), word(work(command.name))
        yield f'mkdir -p "$(dirname {file})"'
        yield f'printf {text} "${command.env}" >{file}'
    elif isinstance(command, Remove):
        yield f"rm -f {words([work(name) for name in command.names])}"
    elif isinstance(command, Await):
        asked = shlex.quote(command.wanted)
        yield f"await {command.limit:g} {asked} {shlex.quote(_line(command.what))} \\\n    {_folded(command.words)}"
    elif isinstance(command, Check):
        yield f"check {shlex.quote(command.wanted)} {shlex.quote(command.complaint)} \\\n    {words(command.words)}"
    elif isinstance(command, Claim):
        name = shlex.quote(command.name)
        yield f"if {words(command.listing)} | grep -qxF {name}; then"
        yield f"  ours {name} {shlex.quote(command.what)}"
        yield f"  {words(command.undo)}"
        yield "fi"
        yield f"printf 'ours {command.what} %s\\n' {name} >>\"$WORK/steps\""
    elif isinstance(command, Wait):
        yield f"sleep {command.seconds:g}  # {command.why}"
    elif isinstance(command, Observe):
        yield f"{_folded(plan.observing(command))} || [ $? = 1 ]"
    else:
        yield f"{_folded(plan.comparing(command))} || held $?"


def _run(command: Run) -> str:
    line = _folded(command.words)
    if command.retry and not command.var:
        line = f"within {command.retry:g} {line}"
    if command.out is not None:
        line = f"{line} >{word(command.out)}"
    if command.var:
        line = f"{command.var}=$({line})"
    return f"{line} || true" if command.anyway else line


def _written(command: Write) -> Iterator[str]:
    file = word(work(command.name))
    text = _escaped(command.text, "\\`") if isinstance(command.text, Filled) else command.text
    lines = text.rstrip("\n").split("\n")
    end = next(mark for mark in ("EOF", *(f"EOF{i}" for i in range(1, len(lines) + 2))) if mark not in lines)
    quoted = end if isinstance(command.text, Filled) else f"'{end}'"
    yield f'mkdir -p "$(dirname {file})"; cat >{file} <<{quoted}'
    yield from lines
    yield end


def word(text: str) -> str:
    """A word of a command: literal, or with its variables."""
    return f'"{_escaped(text, chr(92) + chr(34) + "`")}"' if isinstance(text, Filled) else shlex.quote(text)


def words(found: Sequence[str]) -> str:
    """An argument list."""
    return " ".join(map(word, found))


def _escaped(text: str, special: str) -> str:
    """A text in which only its own variables are replaced by the shell."""
    made, at = [], 0
    for variable in VARIABLE.finditer(text):
        made += [_literal(text[at : variable.start()], special), variable[0]]
        at = variable.end()
    return "".join([*made, _literal(text[at:], special)])


def _literal(text: str, special: str) -> str:
    return "".join(f"\\{c}" if c in special or c == "$" else c for c in text)


def _folded(found: Sequence[str]) -> str:
    """An argument list on lines of a readable length, an option with its value."""
    lines, line = [], ""
    for shown in _paired([word(one) for one in found]):
        if line and len(line) + len(shown) > _LINE - 8:
            lines.append(line)
            line = shown
        else:
            line = f"{line} {shown}" if line else shown
    return " \\\n      ".join([*lines, line])


def _paired(found: Sequence[str]) -> Iterator[str]:
    index = 0
    while index < len(found):
        with_value = found[index].startswith("-") and "=" not in found[index] and index + 1 < len(found)
        if with_value and not found[index + 1].startswith("-"):
            yield f"{found[index]} {found[index + 1]}"
            index += 2
        else:
            yield found[index]
            index += 1


def _comment(text: str, start: str) -> str:
    return start + _line(text)


def _line(text: str) -> str:
    """A text on one line, without what a terminal would obey."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
