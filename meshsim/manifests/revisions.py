"""Files of a git revision, read with the user's own git: nothing is checked out, nothing in the repository changes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from meshsim.model.errors import InputError
from meshsim.model.evidence import Source

TIMEOUT: Final = 120.0
MOST_BYTES: Final = 500_000_000


def is_revision(name: str) -> bool:
    """Whether git knows a commit of that name here."""
    if name.startswith("-") or not name:
        return False
    done = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}", check=False)
    return bool(done)


@contextmanager
def files_of(revision: str) -> Iterator[str]:
    """A temporary directory with the files of a commit, as they lie below the current directory's counterpart.

    Raises InputError where git is missing, fails, or has more than `MOST_BYTES`.
    """
    import tarfile
    import tempfile

    commit = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").decode().strip()
    top = _git("rev-parse", "--show-toplevel").decode().rstrip("\n")
    prefix = _git("rev-parse", "--show-prefix").decode().rstrip("\n")
    with tempfile.TemporaryDirectory(prefix="meshsim-") as directory, tempfile.TemporaryFile() as packed:
        _git("-C", top, "archive", "--format=tar", commit, into=packed.fileno(), name=revision)
        if packed.seek(0, os.SEEK_END) > MOST_BYTES:
            msg = f"has more than {MOST_BYTES:,} bytes"
            raise InputError(msg, where=Source(revision))
        packed.seek(0)
        with tarfile.open(fileobj=packed) as archive:
            archive.extractall(directory, filter="data")
        yield os.path.join(directory, prefix)


def _git(*words: str, check: bool = True, into: int | None = None, name: str = "git") -> bytes:
    import shutil
    import subprocess

    program = shutil.which("git")
    if program is None:
        msg = "this needs git, which is not installed"
        raise InputError(msg, hint="compare two directories instead")
    try:
        done = subprocess.run(  # noqa: S603 - git itself, no shell; revisions stand behind --end-of-options
            [program, *words],
            stdin=subprocess.DEVNULL,
            stdout=into if into is not None else subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        msg = f"git cannot be run: {error}"
        raise InputError(msg, where=Source(name)) from None
    if done.returncode and check:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        msg = f"git says: {said[0] if said else 'nothing'}"
        raise InputError(msg, where=Source(name))
    return (done.stdout or b"") if done.returncode == 0 else b""
