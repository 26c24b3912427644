"""Where the scenario's clusters live on one machine: names, contexts, addresses that do not overlap, and programs."""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Final, final

from meshsim.live.kind.steps import Filled, work
from meshsim.mesh.mesh import Cluster, Mesh
from meshsim.model.errors import UsageError
from meshsim.model.frozen import frozen
from meshsim.scenario.scenario import Scenario

MOST_CLUSTERS: Final = 20
KUBECONFIG: Final = work("kubeconfig")
"""A file of its own: the user's kubeconfig is neither read nor changed."""


@final
@frozen
class Settings:
    """What the user decides. `istioctl` by cluster, `""` for all others."""

    prefix: str = "meshsim"
    subnet: str = "172.30.0.0/16"
    image: str = ""
    install: str = "istioctl"
    istioctl: Mapping[str, str]
    istio_version: str = ""
    hub: str = ""
    tag: str = ""
    licence: str = "SOLO_LICENSE_KEY"
    wait: float = 300.0
    requests: int = 100
    stand_in: bool = False


@final
@frozen
class Place:
    """One cluster of the scenario as a kind cluster."""

    cluster: Cluster
    kind: str
    pods: str
    services: str
    pool: str
    number: int
    settings: Settings
    ztunnel: Mapping[str, str]
    """What the scenario sets in the environment of ztunnels."""

    @property
    def name(self) -> str:
        return self.cluster.name

    @property
    def context(self) -> str:
        return f"kind-{self.kind}"

    @property
    def node(self) -> str:
        """The container of the control-plane node, as kind names it."""
        return f"{self.kind}-control-plane"

    @property
    def product(self) -> str:
        return self.cluster.dialect.product

    @property
    def solo(self) -> bool:
        return self.product == "solo"

    def kubectl(self, *words: str) -> tuple[str, ...]:
        """A kubectl call that reaches this cluster and no other."""
        return ("kubectl", Filled(f"--kubeconfig={KUBECONFIG}"), f"--context={self.context}", *words)

    def argo(self, *words: str) -> tuple[str, ...]:
        """A call of the user's kubectl plugin; kubectl takes no options before a plugin's name."""
        return (
            "kubectl",
            "argo",
            "rollouts",
            *words,
            Filled(f"--kubeconfig={KUBECONFIG}"),
            f"--context={self.context}",
        )

    def istioctl(self, *words: str) -> tuple[str, ...]:
        """An istioctl call that reaches this cluster and no other."""
        return (self.program, *words, Filled(f"--kubeconfig={KUBECONFIG}"), f"--context={self.context}")

    def helm(self, *words: str) -> tuple[str, ...]:
        """A helm call that reaches this cluster and no other."""
        return ("helm", *words, Filled(f"--kubeconfig={KUBECONFIG}"), f"--kube-context={self.context}")

    @property
    def program(self) -> str:
        """The istioctl for this cluster."""
        return self.settings.istioctl.get(self.name) or self.settings.istioctl.get("") or "istioctl"

    def file(self, name: str) -> str:
        """The name of a file of this cluster in the working directory."""
        return f"{self.kind}/{name}"


def places(mesh: Mesh, scenario: Scenario, settings: Settings) -> tuple[Place, ...]:
    """The clusters in the scenario's order, with addresses of their own. Raises UsageError."""
    network = _network(settings.subnet)
    if len(mesh.clusters) > MOST_CLUSTERS:
        msg = f"{len(mesh.clusters)} clusters are too many for one machine: at most {MOST_CLUSTERS}"
        raise UsageError(msg)
    base = int(network.network_address)
    found, taken = [], set[str]()
    for number, cluster in enumerate(mesh.clusters.values()):
        name = _named(settings.prefix, cluster.name, taken)
        first = ipaddress.ip_address(base + ((200 + number) << 8) + 1)
        found.append(
            Place(
                cluster=cluster,
                kind=name,
                pods=f"10.{16 + 2 * number}.0.0/16",
                services=f"10.{17 + 2 * number}.0.0/16",
                pool=f"{first}-{first + 249}",
                number=number + 1,
                settings=settings,
                ztunnel=scenario.clusters[cluster.name].ztunnel_env,
            )
        )
    return tuple(found)


def _network(text: str) -> ipaddress.IPv4Network:
    try:
        found = ipaddress.IPv4Network(text)
    except ValueError:
        found = None
    if found is None or found.prefixlen != 16:
        msg = f"--subnet {text!r} is no /16 of IPv4 addresses"
        raise UsageError(msg, hint="write --subnet 172.30.0.0/16, or another that `docker network ls` does not use")
    if found.overlaps(ipaddress.IPv4Network("10.16.0.0/12")) or found.overlaps(ipaddress.IPv4Network("10.32.0.0/11")):
        msg = f"--subnet {text} overlaps with the pods' addresses, which are 10.16.0.0 to 10.55.255.255"
        raise UsageError(msg, hint="write --subnet 172.30.0.0/16, or another outside 10.0.0.0/8")
    return found


def _named(prefix: str, cluster: str, taken: set[str]) -> str:
    """A name that kind takes: small letters, digits, `.` and `-`; two clusters never get the same."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?", prefix):
        msg = f"--prefix {prefix!r} is no prefix: small letters, digits and -, at most 20"
        raise UsageError(msg)
    bare = re.sub(r"[^a-z0-9.]+", "-", cluster.lower()).strip("-.")[:24].strip("-.") or "cluster"
    name, again = f"{prefix}-{bare}", 2
    while name in taken:
        name, again = f"{prefix}-{bare}-{again}", again + 1
    taken.add(name)
    return name


def by_network(found: Sequence[Place]) -> Mapping[str, tuple[Place, ...]]:
    """The clusters of each network of the mesh."""
    networks: dict[str, list[Place]] = {}
    for place in found:
        networks.setdefault(place.cluster.network.value, []).append(place)
    return {name: tuple(members) for name, members in networks.items()}
