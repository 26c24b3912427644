"""The `meshsim` command: finds the verb, runs it, and turns whatever happens into an exit code.

0 and 1 say what was found, 2 a wrong call, 3 wrong input, 4 that nothing but *undetermined* stood in the way,
70 a bug of ours, 130 Ctrl-C.
"""

import gc
import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Final

from meshsim import __version__
from meshsim.cli.parsing import Parser
from meshsim.model.errors import InputError, InputErrors, MeshsimError, UsageError

VERBS: Final[dict[str, str]] = {
    "run": "the verdict of every call: is the split applied for this client?",
    "explain": "one call hop by hop, the edit that repairs it, and how to prove it live",
    "timeline": "intervals over time: what the rollout wants, what each client gets, why",
    "sample": "the counts that a curl loop would print, and how many requests a real check needs",
    "graph": "the topology and the paths, as a picture or for Mermaid and Graphviz",
    "live": "the model held against real Envoys, or against what your clusters' clients were answered",
    "sweep": "every variant of some settings: what the verdict depends on, and what never matters",
    "diff": "the verdicts that change between two scenarios or git revisions, and the line that changed them",
    "test": "every expectation of your scenarios as a test, with pytest",
    "tables": "what the proxies of a cluster should hold, as istioctl would show it",
    "snapshot": "clusters read with your kubectl into a directory that `meshsim run` takes",
    "rules": "the reason codes, and a page on each",
    "schema": "the JSON Schema of a scenario file",
    "init": "a scenario to start from, or one drawn up from your manifests",
}
"""Verb → what it answers; its module in `meshsim.cli` has the same name."""

EXAMPLES: Final = """\
examples:
  meshsim init > scenario.yaml && meshsim run
  meshsim run --cluster east=clusters/east --cluster west=clusters/west
  meshsim explain cluster2/default/curl helloworld.default.mesh.internal:5000
  meshsim rules MS201
"""

USAGE: Final = 2
BUG: Final = 70
INTERRUPTED: Final = 130
PATIENCE: Final = 50_000
"""New objects between two collections: a run makes few cycles and many objects that stay, which costs a tenth of it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    thresholds = gc.get_threshold()
    gc.set_threshold(PATIENCE, *thresholds[1:])
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        code = _dispatch(words)
        sys.stdout.flush()
    except MeshsimError as error:
        code = _complain(error)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        code = _closed()
    except Exception as error:  # noqa: BLE001 - whatever it is, the user gets a sentence and not a traceback
        code = _bug(error, words)
    finally:
        gc.set_threshold(*thresholds)
    return code


def emit(text: str) -> None:
    """Write a result to standard output. A reader that has enough (`| head`) changes no exit code."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _closed()


def emit_bytes(content: bytes) -> None:
    """Write a picture or an array to standard output, which must be no terminal."""
    no_terminal()
    sys.stdout.flush()
    try:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        _closed()


def no_terminal() -> None:
    """Refuse to send bytes to a terminal, before any work is done for them."""
    if sys.stdout.isatty():
        msg = "this output is no text for a terminal"
        raise UsageError(msg, hint="add --file FILE, or redirect standard output")


@contextmanager
def _into(file: str | None) -> Iterator[None]:
    """Standard output is `file`, which is written in one go where the verb has come to its end."""
    if file is None:
        yield
        return
    content = io.BytesIO()
    text = io.TextIOWrapper(content, encoding="utf-8", errors="backslashreplace", newline="")
    before, sys.stdout = sys.stdout, text
    try:
        yield
        text.flush()
    finally:
        sys.stdout = before
    try:
        with open(file, "wb") as written:
            written.write(content.getvalue())
    except OSError as error:
        msg = f"cannot write {file}: {error.strerror}"
        raise InputError(msg) from error


def help_text() -> str:
    """What `meshsim` alone prints."""
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {verb:<{width}}  {said}" for verb, said in VERBS.items())
    return (
        "meshsim says whether the canary split that Argo Rollouts manages is really applied for a client in a\n"
        "multicluster Istio ambient mesh, or silently bypassed, and why. It reads manifests and needs no cluster.\n"
        "\n"
        f"usage: meshsim COMMAND [options]\n\ncommands:\n{verbs}\n\n{EXAMPLES}\n"
        "meshsim COMMAND --help has the options and more examples.\n"
    )


def _dispatch(words: Sequence[str]) -> int:
    if not words or words[0] in {"-h", "--help", "help"}:
        if len(words) > 1 and words[0] == "help":
            return _dispatch([words[1], "--help"])
        emit(help_text())
        return 0
    verb, *rest = words
    if verb in {"-V", "--version"}:
        emit(f"meshsim {__version__}\n")
        return 0
    if verb not in VERBS:
        kind = "option" if verb.startswith("-") else "command"
        msg = f"meshsim has no {kind} {verb!r}"
        raise UsageError(msg, hint=_instead(verb))
    module = import_module(f"meshsim.cli.{verb}")
    if rest and rest[0] in getattr(module, "PARTS", {}):
        module, verb, rest = import_module(module.PARTS[rest[0]]), f"{verb} {rest[0]}", rest[1:]
    parser = _parser(verb, module)
    try:
        options = parser.parse_intermixed_args(rest)
        with _into(getattr(options, "into", None)):
            code: int = module.run(options)
    except SystemExit as leave:  # argparse's --help
        return int(leave.code or 0)
    return code


def _parser(verb: str, module: ModuleType) -> Parser:
    parser = Parser(prog=f"meshsim {verb}", description=module.__doc__, epilog=module.EXAMPLES)
    module.configure(parser)
    return parser


def _instead(verb: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(verb.lower(), VERBS, n=1)
    if near:
        return f"did you mean `meshsim {near[0]}`?"
    if verb.startswith("-"):
        return "options follow a command: meshsim run " + verb
    if os.path.exists(verb):
        return f"to run a scenario: meshsim run {verb}"
    return f"commands are {', '.join(VERBS)}"


def _complain(error: MeshsimError) -> int:
    """An error as plain sentences on standard error: `error: file:line: what` and the way out."""
    from meshsim.report.words import clean

    several = error.errors if isinstance(error, InputErrors) else (error,)
    for one in several:
        place = f"{clean(one.where)}: " if one.where is not None else ""
        lines = [line for line in one.message.splitlines() if line.strip()] or [""]
        _warn(f"error: {place}{clean(lines[0])}")
        for line in lines[1:]:
            _warn(f"  {clean(line)}")
        for line in one.hint.splitlines():
            _warn(f"  → {clean(line)}")
    return error.exit_code


def _bug(error: Exception, words: Sequence[str]) -> int:
    """A short message and a traceback in a file: nobody wants one on the screen."""
    import traceback

    text = f"meshsim {__version__}, Python {sys.version.split()[0]}\nmeshsim {' '.join(words)}\n\n" + "".join(
        traceback.format_exception(error)
    )
    if os.environ.get("MESHSIM_DEBUG"):
        _warn(text)
        return BUG
    from meshsim.report.words import clean

    _warn(f"error: this is a bug in meshsim: {type(error).__name__}: {clean(error)}")
    try:
        import tempfile

        with tempfile.NamedTemporaryFile(
            "w", prefix="meshsim-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.write(text)
        _warn(f"  → please report it with {file.name}, which has the traceback")
    except OSError:
        _warn("  → please report it with the traceback that MESHSIM_DEBUG=1 shows")
    return BUG


def _warn(line: str) -> None:
    try:
        sys.stderr.write(line + "\n")
    except OSError:
        return


def _closed() -> int:
    """The reader went away. Point standard output elsewhere, so that the interpreter does not complain at exit."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return 0
    return 0
