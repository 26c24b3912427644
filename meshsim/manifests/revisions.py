"""Files of a git revision, read with the user's own git: nothing is checked out, nothing in the repository changes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from meshsim.model.errors import InputError
from meshsim.model.evidence import Source

if TYPE_CHECKING:
    import tarfile

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
            _unpack(archive, os.path.realpath(directory))
        yield os.path.join(directory, prefix)


def _unpack(archive: "tarfile.TarFile", directory: str) -> None:
    """Files, directories and the links between them; what leads out of the directory is left out.

    By hand, since the `filter` of `extractall` came with Python 3.11.4, and refuses a whole archive for one link.
    """
    import shutil

    for member in archive:
        place = os.path.join(directory, member.name)
        above = os.path.dirname(place)
        if not _inside(os.path.realpath(above), directory):
            continue
        if member.isdir():
            os.makedirs(place, exist_ok=True)
        elif member.isfile():
            content = archive.extractfile(member)
            os.makedirs(above, exist_ok=True)
            assert content is not None
            with content, open(place, "wb") as file:
                shutil.copyfileobj(content, file)
        elif member.issym() and _inside(os.path.realpath(os.path.join(above, member.linkname)), directory):
            os.makedirs(above, exist_ok=True)
            os.symlink(member.linkname, place)


def _inside(path: str, directory: str) -> bool:
    return os.path.commonpath([path, directory]) == directory


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
