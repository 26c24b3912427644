"""The lab as a whole: processes for a compiled plan, moved from moment to moment, measured visit by visit."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Final, Self, final

from meshsim.live.lab import watches
from meshsim.live.lab.addresses import Block
from meshsim.live.lab.certificates import Authorities
from meshsim.live.lab.compile import Compiled, Door
from meshsim.live.lab.drive import Load, drive
from meshsim.live.lab.faults import LabFault
from meshsim.live.lab.listeners import listeners
from meshsim.live.lab.observe import AccessLogs, Observation, observe
from meshsim.live.lab.plan import Plan
from meshsim.live.lab.pods import FAILURE, PODS
from meshsim.live.lab.processes import Process
from meshsim.live.lab.program import binary, remove, workplace
from meshsim.live.lab.resources import Resources

START: Final = 10.0
ANSWERS: Final = r"^http\.pod[0-9x]+\.downstream_rq_completed$"


@final
class Lab:
    """Envoy processes on loopback. Use it as a context: on leaving, every process is ended and its files are removed.

    Start it from a thread that lives as long as the lab: the kernel ends the processes with that thread.
    """

    def __init__(self) -> None:
        self.program = binary()
        self.directory = workplace()
        self._block = Block()
        self.addresses = self._block.addresses
        self.authorities = Authorities(self.directory / "certificates")
        self.processes: dict[str, Process] = {}
        self.seconds_to_ready = 0.0
        self._room = watches.free() // watches.SHARE
        self._logs = AccessLogs({})
        self._pods: dict[str, str] = {}
        self._rows = 0
        self._thread = threading.get_ident()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End every process and remove the lab's files."""
        for process in self.processes.values():
            process.stop()
        self._block.close()
        remove(self.directory)

    def show(self, moment: Compiled) -> None:
        """Move the lab to a moment: processes that are missing are started, the others are told what changed."""
        started = time.monotonic()
        fresh = [name for name in moment.processes if name not in self.processes]
        if fresh and threading.get_ident() != self._thread:
            msg = "the lab's processes must all be started by the thread that made the lab"
            raise LabFault(msg)
        self._unserved(moment)
        told = self._told(moment)
        for name in fresh:
            folder = Plan.folder_in(self.directory, name)
            folder.mkdir(parents=True, exist_ok=True)
            process = Process(name, folder, self.directory / f"{len(self.processes)}.sock")
            self.processes[name] = process
            process.start(self.program, told[name])
        for name, process in self.processes.items():
            if name not in fresh:
                process.tell(told[name])
        self._wait(fresh, lambda name: self.processes[name].ready())
        for name in fresh:
            self.processes[name].accepted()
        self._wait_for_listeners(moment)
        self._pods = dict(moment.pods)
        if fresh:
            self.seconds_to_ready += time.monotonic() - started
            self._logs = AccessLogs({name: process.folder for name, process in self.processes.items()})
            self._logs.fresh()

    def measure(
        self,
        door: Door,
        *,
        authority: str,
        path: str = "/",
        headers: Mapping[str, str] | None = None,
        requests: int,
        per_connection: int = 1,
        varied: bool = False,
        at_once: int = 8,
    ) -> Observation:
        """Send requests through a door; `varied`, so many over a connection in the mean.

        Raises LabFault where clients and pods count differently.
        """
        self._rows += 1
        self._logs.fresh()
        before = self._answers()
        load = Load(
            addresses=door.addresses,
            path=path,
            authority=authority,
            headers=headers or {},
            requests=requests,
            per_connection=per_connection,
            varied=varied,
            at_once=at_once,
            row=str(self._rows),
        )
        found = observe(drive(load), self._logs, door.hop)
        self._counted(found, before)
        return found

    def break_pod(self, path: str, percent: int) -> None:
        """Let a pod answer 503 to some of its requests."""
        for name, known in self._pods.items():
            if known == path:
                self.processes[PODS].admin.set_runtime(f"{FAILURE}.{name}", percent)

    def counters(self, process: str, pattern: str) -> dict[str, int]:
        """Statistics of one proxy."""
        return self.processes[process].admin.counters(pattern)

    def _answers(self) -> dict[str, int]:
        if PODS not in self.processes:
            return {}
        counted = self.processes[PODS].admin.counters(ANSWERS)
        total: Counter[str] = Counter()
        for name, value in counted.items():
            total[self._pods.get(name.split(".")[1], name)] += value
        return dict(total)

    def _counted(self, found: Observation, before: Mapping[str, int]) -> None:
        """A pod that answered clients more often than it counted would be somebody else's."""
        after = self._answers()
        for pod, number in found.pods.items():
            counted = after.get(pod, 0) - before.get(pod, 0)
            if counted < number:
                msg = f"clients have {number} answers of {pod}, which itself counted {counted}"
                raise LabFault(msg, hint="another process listens at the lab's addresses: ss -ltnp 'src 127.0.0.0/8'")

    def _told(self, moment: Compiled) -> dict[str, Resources]:
        """What every process is told, with as many files to watch as there is room for."""
        wanted = {name: moment.processes.get(name, Resources()) for name in {**self.processes, **moment.processes}}
        watched = watches.choose(wanted, self._room)
        return {name: watches.within(name, resources, watched) for name, resources in wanted.items()}

    def _unserved(self, moment: Compiled) -> None:
        """Nobody may listen where a new listener of the lab will."""
        if self.processes:
            return
        wanted = set(_sockets(moment.processes.values()))
        taken = [f"{ip}:{port}" for ip, port in listeners() if (ip, port) in wanted]
        if taken:
            msg = f"somebody listens at the lab's addresses already: {', '.join(taken[:5])}"
            raise LabFault(msg, hint="end it: ss -ltnp 'src 127.0.0.0/8'")

    def _wait_for_listeners(self, moment: Compiled) -> None:
        wanted = set(_sockets(moment.processes.values()))
        self._wait(["its listeners"], lambda _: wanted <= set(listeners()))

    def _wait(self, names: Iterable[str], ready: Callable[[str], bool]) -> None:
        limit = time.monotonic() + START
        waiting = list(names)
        while waiting:
            waiting = [name for name in waiting if not ready(name)]
            if waiting and time.monotonic() > limit:
                said = "\n".join(process.complaint() for name, process in self.processes.items() if name in waiting)
                msg = f"the lab is not ready after {START:g} s: {', '.join(waiting)}"
                raise LabFault(msg, hint=said)
            if waiting:
                time.sleep(0.005)


def _sockets(resources: Iterable[Resources]) -> list[tuple[str, int]]:
    """Where the listeners of some processes are."""
    found = []
    for one in resources:
        for made in one.listeners.values():
            where = made.get("address", {}).get("socket_address")
            if where is not None:
                found.append((str(where["address"]), int(where["port_value"])))
    return found
