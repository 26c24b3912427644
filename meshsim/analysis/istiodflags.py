"""Switches of istiod that change where requests go and whose other position is not modelled.

Only what stands in istiod's environment is looked at; unset, a flag is where the model has it (for
`PILOT_ENABLE_AMBIENT` the ambient profile's default, the code's otherwise)."""

from collections.abc import Iterator
from typing import Final, final

from meshsim.analysis.situation import Situation
from meshsim.mesh.mesh import Cluster, Mesh, parse_bool
from meshsim.model.frozen import record
from meshsim.model.trace import Path

_AMBIENT: Final = frozenset({"ztunnel", "waypoint", "eastwest"})
_ENVOYS: Final = frozenset({"waypoint", "gateway", "sidecar"})


@final
@record
class _Switch:
    """`name` is modelled as `modelled` only; `at` are the kinds of proxies that another value changes, and `networks`
    says that it takes several networks."""

    name: str
    modelled: bool
    at: frozenset[str]
    source: str
    networks: bool = False


_SWITCHES: Final = (
    _Switch("PILOT_ENABLE_AMBIENT", True, _AMBIENT, "istio pilot/pkg/features/ambient.go: ztunnel is told nothing"),
    _Switch(
        "PILOT_ENABLE_AMBIENT_WAYPOINTS",
        True,
        frozenset({"waypoint"}),
        "istio pilot/pkg/features/ambient.go: no waypoint controllers",
    ),
    _Switch(
        "PILOT_ENABLE_SENDING_HBONE",
        True,
        frozenset({"waypoint", "gateway", "eastwest"}),
        "istio pilot/pkg/features/ambient.go: Envoys do not tunnel",
    ),
    _Switch(
        "ENABLE_LOCALITY_WEIGHTED_LB_CONFIG",
        False,
        _ENVOYS,
        "istio pilot/pkg/features/traffic.go: localities are weighted before endpoints are",
    ),
    _Switch(
        "PILOT_MULTI_NETWORK_DISCOVER_GATEWAY_API",
        True,
        _AMBIENT | _ENVOYS,
        "istio pilot/pkg/features/pilot.go: gateways of Gateway API stand for no network",
        networks=True,
    ),
)


def switched(situation: Situation, paths: tuple[Path, ...]) -> Iterator[str]:
    """A sentence for each switch that stands otherwise than modelled where a proxy of the path heeds it."""
    mesh = situation.mesh
    hops = (step.hop.partition(":") for path in paths for step in path.steps)
    met = {(rest.partition("/")[0], kind) for kind, _, rest in hops}
    for name in sorted({cluster for cluster, _ in met} & mesh.clusters.keys()):
        here = mesh.clusters[name]
        kinds = {kind for cluster, kind in met if cluster == name}
        for switch in _SWITCHES:
            if kinds & switch.at and _stands_otherwise(here, switch) and not (switch.networks and _one_network(mesh)):
                setting = here.istiod[switch.name]
                said = f"{name}/istiod {switch.name}={setting.value} ({setting.evidence})"
                yield f"{said} is not modelled ({switch.source})"


def _stands_otherwise(here: Cluster, switch: _Switch) -> bool:
    setting = here.istiod.get(switch.name)
    return setting is not None and parse_bool(setting.value, default=switch.modelled) is not switch.modelled


def _one_network(mesh: Mesh) -> bool:
    return len({cluster.network.value for cluster in mesh.clusters.values()}) == 1
