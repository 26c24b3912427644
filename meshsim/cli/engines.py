"""Where a sweep runs: here, in processes of this machine, or on an existing Dask cluster."""

import signal
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Final

from meshsim.model.errors import InputError, UsageError

PATIENCE: Final = "5s"
"""How long a Dask scheduler may take to answer."""


@contextmanager
def engine(workers: int | None, scheduler: str | None) -> Iterator[Executor | None]:
    """An executor, or None for this process. Raises UsageError without Dask, InputError without its scheduler."""
    if workers is not None and scheduler is not None:
        msg = "both --workers and --scheduler are given"
        raise UsageError(msg, hint="a Dask scheduler has its own workers")
    if scheduler is not None:
        with _dask(scheduler) as executor:
            yield executor
    elif workers is not None and workers > 1:
        with _processes(workers) as executor:
            yield executor
    else:
        yield None


@contextmanager
def _processes(workers: int) -> Iterator[Executor]:
    """A pool whose processes leave Ctrl-C to us."""
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_leave_ctrl_c)
    try:
        yield pool
    except BrokenProcessPool as error:
        msg = "a process of the pool died, perhaps for want of memory"
        raise InputError(msg, hint="take fewer --workers; --journal FILE keeps what is done") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _leave_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _dask(address: str) -> Iterator[Executor]:
    try:
        from distributed import Client, KilledWorker
    except ImportError:
        msg = "--scheduler needs Dask, which is not installed"
        raise UsageError(msg, hint="pip install 'meshsim[sweep]'") from None
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        msg = f"no Dask scheduler answers at {address}"
        raise InputError(msg, hint="start one with `dask scheduler`, or take --workers N") from error
    try:
        if not client.scheduler_info(n_workers=-1)["workers"]:
            msg = f"the Dask scheduler at {address} has no workers"
            raise InputError(msg, hint=f"start one: dask worker {address}")
        yield client.get_executor()
    except KilledWorker as error:
        msg = f"workers of the Dask cluster at {address} died"
        raise InputError(msg, hint="--journal FILE keeps what is done") from error
    except ModuleNotFoundError as error:
        msg = f"a worker of the Dask cluster at {address} has no {error.name}"
        raise InputError(msg, hint="install the same meshsim on the workers") from error
    finally:
        client.close()
