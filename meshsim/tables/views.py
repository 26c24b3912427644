"""Everything that the proxies of all clusters know at one moment, as the data plane asks for it."""

from collections.abc import Mapping
from dataclasses import field
from typing import Protocol, final

from meshsim.model.facts import Fact
from meshsim.model.frozen import frozen
from meshsim.tables.envoy import Proxy
from meshsim.tables.policy import Policy, Strict
from meshsim.tables.service import Service
from meshsim.tables.workload import Locality
from meshsim.tables.ztunnel import ZtunnelTables


@final
@frozen
class Name:
    """A host name as a cluster's DNS answers it. `mesh_only` names exist for captured pods alone; `ips` are the
    addresses of a headless service, or the one VIP."""

    host: str
    service: Service | None
    ips: tuple[str, ...]
    mesh_only: bool = False
    headless: bool = False
    why: tuple[Fact, ...] = field(default=(), compare=False)


@final
@frozen
class PodRow:
    """What the data plane must know of a pod beside its workload row.

    `capture` is who handles its traffic (None: nobody said); `proxy` the decision-point id of the Envoy it runs.
    """

    uid: str
    cluster: str
    path: str
    capture: str | None
    capture_why: tuple[Fact, ...] = field(default=(), compare=False)
    proxy: str = ""
    ready: bool = True
    mesh_dns: bool = True
    """False where its sidecar's DNS capture is switched off."""
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: str = ""


@final
@frozen
class ClusterView:
    """One cluster's tables. `eastwest` says what its east-west gateway does by `x-istio-source`:
    `waypoint`, `skip`, or `label`. `kube` maps VIP:port → (pod uid, target port) as kube-proxy balances.
    `open_questions` maps a service host to questions the sources leave open about it (`assume` key → question).
    """

    name: str
    network: str
    root: str
    ztunnel: ZtunnelTables
    names: Mapping[str, Name]
    kube: Mapping[str, tuple[tuple[str, int], ...]]
    eastwest: Mapping[str, str]
    eastwest_sources: Mapping[str, str]
    eastwest_assumed: Mapping[str, str] = field(default_factory=dict)
    waypoint_missing: Mapping[str, str] = field(default_factory=dict)
    """Host → reason code where a waypoint reference leads nowhere."""
    absent: Mapping[str, tuple[Fact, ...]] = field(default_factory=dict, compare=False)
    """Host → what keeps it from being known here."""
    contested: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Host → clusters whose waypoint may or may not stand before it."""
    assumed: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    no_vip: frozenset[str] = frozenset()
    unserved: frozenset[str] = frozenset()
    """Hosts that the cluster's own east-west gateway does not serve, as they are not shared by its istiod."""
    strangers: Mapping[str, str] = field(default_factory=dict)
    """Workloads of a live proxy's tables that the manifests do not explain, by uid → a sentence: whatever meets one
    is undetermined."""
    entries: Mapping[str, str] = field(default_factory=dict)
    """Hosts (also as `*.…`) and addresses that a ServiceEntry of the user's gives → a sentence: calls to them are
    undetermined."""
    policies: tuple[Policy, ...] = ()
    stricts: tuple[Strict, ...] = ()


class Views(Protocol):
    """What the data plane walks through."""

    def cluster(self, name: str) -> ClusterView:
        """One cluster's tables."""

    def proxy(self, ident: str, locality: Locality) -> Proxy | None:
        """One Envoy's tables, by decision-point id; where it runs matters to what it prefers."""

    def pod(self, uid: str) -> PodRow | None:
        """One pod, by workload uid."""

    def pod_at(self, network: str, ip: str) -> str | None:
        """The uid of the pod that answers at an IP of a network, in whatever cluster."""
