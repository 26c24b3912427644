"""How many files the lab's Envoys watch: each costs an inotify instance, and Linux grants a user 128 of them.

An Envoy that gets none aborts (source/common/filesystem/inotify/watcher_impl.cc). A lab therefore takes at most half of
what is free: every process needs two, for its listeners and its clusters; then the routes and hosts of the proxies
that are Envoys in the mesh too are watched each by itself, then those of the stand-ins. What is left over travels
inside the listener or the cluster it belongs to, which is watched as well, so that it moves live all the same.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from meshsim.live.lab.faults import LabMissing
from meshsim.live.lab.resources import Config, Resources

LIMIT: Final = Path("/proc/sys/fs/inotify/max_user_instances")
INSTANCE: Final = "anon_inode:inotify"
OWN: Final = 2
"""Instances of every process: its listeners and its clusters."""
SHARE: Final = 2
"""One part in so many of what is free is the lab's; others may start a lab at the same time."""
ENVOYS: Final = ("waypoint:", "gateway:", "sidecar:")
"""Processes, by the beginning of their names, that are Envoys in the mesh too."""
ROUTES, HOSTS = "routes", "hosts"
Watched = frozenset[tuple[str, str, str]]
"""What is watched by itself: (process, `ROUTES` or `HOSTS`, its name)."""


def free(limit: Path = LIMIT, processes: Path = Path("/proc")) -> int:
    """The inotify instances that this user may still make."""
    with suppress(OSError, ValueError):
        return int(limit.read_text(encoding="ascii")) - _used(processes)
    return 0


def _used(processes: Path) -> int:
    """The instances that this user's processes hold; others' descriptors cannot be read."""
    used = 0
    for descriptors in processes.glob("[0-9]*/fd"):
        with suppress(OSError):
            used += sum(_is_instance(one) for one in descriptors.iterdir())
    return used


def _is_instance(descriptor: Path) -> bool:
    with suppress(OSError):
        return str(descriptor.readlink()) == INSTANCE
    return False


def choose(processes: Mapping[str, Resources], room: int) -> Watched:
    """What is watched by itself where the lab may have `room` instances. Raises LabMissing where that is too few."""
    left = room - OWN * len(processes)
    if left < 0:
        needed = OWN * len(processes)
        msg = f"{len(processes)} Envoys need {needed} inotify instances, and half of what this user has left is {room}"
        raise LabMissing(msg, hint="sudo sysctl fs.inotify.max_user_instances=1024")
    return frozenset(one for one, _ in zip(_wanted(processes), range(left), strict=False))


def _wanted(processes: Mapping[str, Resources]) -> Iterator[tuple[str, str, str]]:
    """Everything that could be watched by itself, what matters most first."""
    own = [name for name in processes if name.startswith(ENVOYS)]
    for names in (own, [name for name in processes if name not in own]):
        for name in names:
            yield from ((name, ROUTES, route) for route in processes[name].routes)
        for name in names:
            yield from ((name, HOSTS, cluster) for cluster in processes[name].endpoints)


def within(process: str, resources: Resources, watched: Watched) -> Resources:
    """A process's resources with what is not watched by itself inside what it belongs to."""
    routes = {name: made for name, made in resources.routes.items() if (process, ROUTES, name) in watched}
    hosts = {name: made for name, made in resources.endpoints.items() if (process, HOSTS, name) in watched}
    return Resources(
        listeners={name: _with_routes(made, resources.routes, routes) for name, made in resources.listeners.items()},
        clusters={name: _with_hosts(made, resources.endpoints, hosts) for name, made in resources.clusters.items()},
        routes=routes,
        endpoints=hosts,
    )


def _with_hosts(cluster: Config, hosts: Mapping[str, Config], watched: Mapping[str, Config]) -> Config:
    """The cluster with its hosts inside, where they are not watched by themselves."""
    name = cluster["name"]
    if name in watched or name not in hosts:
        return cluster
    bare = {key: value for key, value in cluster.items() if key != "eds_cluster_config"}
    return {**bare, "type": "STATIC", "load_assignment": hosts[name]}


def _with_routes(listener: Config, routes: Mapping[str, Config], watched: Mapping[str, Config]) -> Config:
    """The listener with its routes inside, where it names some that are not watched by themselves."""
    (chain,) = listener["filter_chains"]
    (first, *others) = chain["filters"]
    wanted = first["typed_config"].get("rds", {}).get("route_config_name", "")
    if not wanted or wanted in watched:
        return listener
    inside = {key: value for key, value in first["typed_config"].items() if key != "rds"}
    filters = [{**first, "typed_config": {**inside, "route_config": routes[wanted]}}, *others]
    return {**listener, "filter_chains": [{**chain, "filters": filters}]}
