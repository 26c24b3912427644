"""The Envoy clusters of one proxy, made as its routes name them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import final

from meshsim.controlplane.destinationrules import EffectiveRule, destination_rule, exported, host_matches, policy_of
from meshsim.controlplane.endpoints import cluster_of
from meshsim.controlplane.hosts import Place
from meshsim.controlplane.known import KnownService, Port
from meshsim.controlplane.outliers import outlier_of
from meshsim.manifests.manifest import Manifest
from meshsim.model.names import subject
from meshsim.tables.envoy import Cluster as EnvoyCluster
from meshsim.tables.envoy import Endpoint, Outlier


@final
class Clusters:
    """Collects the clusters of a proxy at `place` whose own namespace is `namespace`.

    `owns` are the hosts whose traffic the proxy takes in (a waypoint's services), which only names clusters.
    `labels` are a sidecar's, for DestinationRules with a workloadSelector.
    """

    def __init__(
        self,
        place: Place,
        namespace: str,
        known: Mapping[str, KnownService],
        assume: Mapping[str, str],
        owns: frozenset[str] = frozenset(),
        labels: Mapping[str, str] | None = None,
    ) -> None:
        self.place = place
        self.namespace = namespace
        self.known = known
        self.assume = assume
        self.owns = owns
        self.labels = labels
        self.instead: Callable[[KnownService, Port], tuple[Endpoint, ...] | None] | None = None
        """What replaces a service's own hosts: a gateway's way to waypoints."""
        self.marks: frozenset[str] = frozenset()
        """What every cluster of this proxy is marked with."""
        self.unmodelled: tuple[str, ...] = ()
        """What nobody can say of this proxy's way to any backend."""
        self.made: dict[str, EnvoyCluster] = {}
        self.missing: dict[str, int] = {}

    @property
    def rules(self) -> Iterable[Manifest]:
        return self.place.cluster.of("DestinationRule")

    def destination_rule(self, service: KnownService) -> EffectiveRule | None:
        """The DestinationRule that counts for a service here."""
        return destination_rule(self.rules, service.host, service.namespace, self.namespace, self.labels)

    def service(self, service: KnownService, port: Port, subset: str = "") -> str:
        """The name of the cluster for a service's port (and subset), made on first use.

        A subset that no DestinationRule defines has no cluster: 503 NC (envoy ROUTER cluster_not_found).
        """
        name = self.name(service.host, port.number, subset)
        if name in self.made or name in self.missing:
            return name
        replaced = self.instead(service, port) if self.instead is not None else None
        if replaced is not None:
            self.made[name] = EnvoyCluster(
                name=name,
                host=service.host,
                port=port.number,
                endpoints=replaced,
                empty_reason="MS206",
                marks=self.marks,
                outlier=self._outlier(service, port, subset),
            )
            return name
        rule = self.destination_rule(service)
        if subset and (rule is None or subset not in rule.subsets):
            self.missing[name] = 503
            return name
        made = cluster_of(self.place, service, port, name=name, subset=subset, rule=rule, assume=self.assume)
        if self.instead is not None:
            made = replace(
                made,
                why=(*made.why, *service.ingress_facts, *service.binding.facts),
                marks=_missed(service),
                unmodelled=(*made.unmodelled, *self.unmodelled),
            )
        self.made[name] = made
        return name

    def hosts(self, service: KnownService, port: Port, endpoints: tuple[Endpoint, ...], empty_reason: str) -> str:
        """A cluster for a service with given hosts (a waypoint's pods in place of the service's own)."""
        name = self.name(service.host, port.number, "")
        self.made[name] = EnvoyCluster(
            name=name,
            host=service.host,
            port=port.number,
            endpoints=endpoints,
            empty_reason=empty_reason,
            outlier=self._outlier(service, port, ""),
        )
        return name

    def _outlier(self, service: KnownService, port: Port, subset: str) -> Outlier | None:
        """The outlier detection of a cluster whose hosts are a waypoint's pods: the service's own rule is for them."""
        rule = self.destination_rule(service)
        known = subset if rule is not None and subset in rule.subsets else ""
        return outlier_of(policy_of(rule, known, port.number), rule, known, self.place.cluster.name)

    def absent(self, name: str, status: int, host: str = "") -> str:
        """A destination that has no cluster; `status` is what its share is answered with.

        A host that a ServiceEntry of the user's gives has one, and where it leads is not modelled.
        """
        entry = self._entry(host) if host else None
        if entry is None:
            self.missing[name] = status
        else:
            said = f"{subject(self.place.cluster.name, entry.key)} has the host {host}; its endpoints are not modelled"
            self.made[name] = EnvoyCluster(name=name, host=host, port=0, unmodelled=(said,))
        return name

    def _entry(self, host: str) -> Manifest | None:
        """The ServiceEntry that gives a host, as far as this proxy sees it."""
        for entry in self.place.cluster.of("ServiceEntry"):
            hosts = map(str, entry.get("spec", "hosts", default=[]))
            if exported(entry, self.namespace) and any(host_matches(pattern, host) for pattern in hosts):
                return entry
        return None

    def name(self, host: str, port: int, subset: str) -> str:
        """Istio's name: `inbound-vip|port|http/subset|host` at the service's own waypoint, else `outbound|…`."""
        if host in self.owns:
            return f"inbound-vip|{port}|http{'/' if subset else ''}{subset}|{host}"
        return f"outbound|{port}|{subset}|{host}"


def _missed(service: KnownService) -> frozenset[str]:
    """Why a service that asks gateways to use its waypoint is reached without one."""
    if not service.ingress_use_waypoint:
        return frozenset()
    return frozenset({f"waypoint-missing:{service.binding.missing or 'MS202'}"})
