"""Envoy processes: started, told by files, and ended, whatever happens to the process that started them.

What is told changes by replacing files that Envoy watches, so that a lab moves from moment to moment without a restart.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, final

from meshsim.live.lab.admin import Admin
from meshsim.live.lab.faults import LabFault
from meshsim.live.lab.program import dies_with
from meshsim.live.lab.resources import Config, Resources, from_file, typed

PATIENCE: Final = 10.0
"""Seconds within which Envoy must have taken what it was told."""
FLUSH: Final = 0.02
"""Seconds after which an access log's lines are in its file."""
TYPES: Final = {
    "lds": "config.listener.v3.Listener",
    "cds": "config.cluster.v3.Cluster",
    "rds": "config.route.v3.RouteConfiguration",
    "eds": "config.endpoint.v3.ClusterLoadAssignment",
}
COUNTED: Final = {
    "lds": r"^listener_manager\.lds\.update_",
    "cds": r"^cluster_manager\.cds\.update_",
    "rds": r"\.rds\..*\.update_(success|rejected|failure)$",
    "eds": r"^cluster\..*\.update_(success|rejected|failure)$",
}
NOISE: Final = ("[backtrace]", "[envoy_bug]")
"""What marks the lines of a stack trace, which say nothing to a reader without symbols."""
UNSETTLED: Final = r"warming_clusters$|total_listeners_(warming|draining)$"


@final
class Process:
    """One Envoy and the files it is told by."""

    def __init__(self, name: str, folder: Path, socket: Path) -> None:
        self.name = name
        self.folder = folder
        self.admin = Admin(socket)
        self._told: dict[Path, str] = {}
        self._watched: frozenset[Path] = frozenset()
        """Files of what Envoy holds now: it does not hear of a file whose cluster or listener is gone."""
        self._version = 0
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id; 0 before the start."""
        return self._child.pid if self._child is not None else 0

    def start(self, program: str, resources: Resources) -> None:
        """Spawn Envoy with what it is told first."""
        self._write_all(resources)
        bootstrap = self.folder / "bootstrap.json"
        bootstrap.write_text(json.dumps(self._bootstrap()))
        command = [
            *(program, "-c", str(bootstrap), "--disable-hot-restart", "--concurrency", "1"),
            *("--log-level", "warning", "--log-path", str(self.folder / "envoy.log")),
            *("--file-flush-interval-msec", str(int(FLUSH * 1000))),
            *("--drain-time-s", "0", "--drain-strategy", "immediate"),
        ]
        with (self.folder / "stderr.log").open("wb") as errors:
            self._child = subprocess.Popen(  # noqa: S603 - our own wheel's program, with our own arguments
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
                preexec_fn=dies_with(os.getpid()),  # noqa: PLW1509 - it calls prctl and nothing of Python's
            )

    def ready(self) -> bool:
        """Whether it serves. Raises LabFault where it ended instead."""
        self._alive()
        return self.admin.ready()

    def accepted(self) -> None:
        """Raise LabFault where it refused something of what it was told first."""
        for kind in TYPES:
            self._refused(kind, {})

    def tell(self, resources: Resources) -> bool:
        """Move to other resources: hosts, then clusters, then listeners and routes; returns whether anything changed.

        In this order no route names a cluster that is not there yet (measured with Envoy 1.39.3).
        """
        changed = False
        for kinds in (("eds",), ("cds",), ("rds", "lds")):
            counts = {kind: self._counts(kind) for kind in kinds}
            moved = {kind: self._write(kind, resources) for kind in kinds}
            changed = changed or any(moved.values())
            for kind, number in moved.items():
                self._await(kind, counts[kind], number)
        self._watched = self._all_files(resources)
        if changed:
            self._until(lambda: not any(self.admin.counters(UNSETTLED).values()), "settles")
        return changed

    def stop(self) -> None:
        """End it, at once: nothing it holds is worth keeping."""
        if self._child is None:
            return
        if self._child.poll() is None:
            self._child.kill()
        self._child.wait()

    def complaint(self) -> str:
        """The last lines of its own log."""
        lines = []
        for name in ("envoy.log", "stderr.log"):
            path = self.folder / name
            told = path.read_text(errors="replace").splitlines() if path.exists() else []
            lines += [line for line in told if not any(part in line for part in NOISE)][-6:]
        return "\n".join(lines)

    def _alive(self) -> None:
        if self._child is not None and self._child.poll() is not None:
            msg = f"the Envoy of {self.name} ended with {self._child.returncode}"
            raise LabFault(msg, hint=self.complaint())

    def _bootstrap(self) -> Config:
        return {
            "node": {"id": self.name, "cluster": "meshsim"},
            "admin": {"address": {"pipe": {"path": str(self.admin.path), "mode": 0o600}}},
            "dynamic_resources": {
                "lds_config": from_file(self.folder / "lds" / "resource.json"),
                "cds_config": from_file(self.folder / "cds" / "resource.json"),
            },
            "bootstrap_extensions": [
                {
                    "name": "internal",
                    "typed_config": typed("extensions.bootstrap.internal_listener.v3.InternalListener"),
                }
            ],
            "layered_runtime": {"layers": [{"name": "admin", "admin_layer": {}}]},
        }

    def _write_all(self, resources: Resources) -> None:
        for kind in ("eds", "cds", "rds", "lds"):
            self._write(kind, resources)
        self._watched = self._all_files(resources)

    def _all_files(self, resources: Resources) -> frozenset[Path]:
        return frozenset(path for kind in TYPES for path, _ in self._files(kind, resources))

    def _write(self, kind: str, resources: Resources) -> int:
        """Write the files of one kind that changed; returns how many of them Envoy watches."""
        watched = 0
        for path, messages in self._files(kind, resources):
            text = json.dumps(messages, sort_keys=True)
            if self._told.get(path) == text:
                continue
            watched += path in self._watched
            self._told[path] = text
            self._version += 1
            listed = [{"@type": f"type.googleapis.com/envoy.{TYPES[kind]}", **message} for message in messages]
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = path.with_suffix(".new")
            fresh.write_text(json.dumps({"version_info": str(self._version), "resources": listed}))
            fresh.replace(path)
        return watched

    def _files(self, kind: str, resources: Resources) -> list[tuple[Path, list[Config]]]:
        if kind == "lds":
            return [(self.folder / "lds" / "resource.json", list(resources.listeners.values()))]
        if kind == "cds":
            return [(self.folder / "cds" / "resource.json", list(resources.clusters.values()))]
        if kind == "eds":
            return [
                (Path(_eds(resources.clusters[name])), [message])
                for name, message in resources.endpoints.items()
                if name in resources.clusters
            ]
        files = {_rds(made): name for made in resources.listeners.values() if (name := _rds_name(made))}
        return [(Path(file), [resources.routes[name]]) for file, name in files.items()]

    def _counts(self, kind: str) -> dict[str, int]:
        return self.admin.counters(COUNTED[kind])

    def _refused(self, kind: str, before: Mapping[str, int]) -> dict[str, int]:
        """The counts of updates; raises LabFault where one was refused since `before`."""
        now = self._counts(kind)
        refused = [
            name
            for name, value in now.items()
            if name.endswith(("rejected", "failure")) and value > before.get(name, 0)
        ]
        if refused:
            msg = f"the Envoy of {self.name} refused an update: {', '.join(refused)}"
            raise LabFault(msg, hint=self.complaint())
        return now

    def _await(self, kind: str, before: Mapping[str, int], number: int) -> None:
        """Wait until Envoy has taken as many updates as there were."""
        if not number:
            return

        def taken() -> bool:
            now = self._refused(kind, before)
            grown = (
                value - before.get(name, 0)
                for name, value in now.items()
                if name.endswith("success") and name in before
            )
            return sum(grown) >= number

        self._until(taken, f"takes its {kind} update")

    def _until(self, done: Callable[[], bool], what: str) -> None:
        limit = time.monotonic() + PATIENCE
        while not done():
            self._alive()
            if time.monotonic() > limit:
                msg = f"the Envoy of {self.name} never {what} within {PATIENCE:g} s"
                raise LabFault(msg, hint=self.complaint())
            time.sleep(0.003)


def _eds(cluster: Config) -> str:
    return str(cluster["eds_cluster_config"]["eds_config"]["path_config_source"]["path"])


def _manager(made: Config) -> Config:
    found: Config = made["filter_chains"][0]["filters"][0]["typed_config"]
    return found


def _rds_name(made: Config) -> str:
    return str(_manager(made).get("rds", {}).get("route_config_name", ""))


def _rds(made: Config) -> str:
    return str(_manager(made)["rds"]["config_source"]["path_config_source"]["path"])
