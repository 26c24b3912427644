"""Which filter chain takes a connection (envoy api/envoy/config/listener/v3/listener_components.proto
FilterChainMatch), and which service a waypoint's chain is for."""

import re
from ipaddress import ip_address, ip_network
from typing import Final

from meshsim.tables.configdump.clusters import split_name
from meshsim.tables.configdump.domains import rank
from meshsim.tables.configdump.rows import FilterChain, Listener

_WAYPOINT_CHAIN: Final = re.compile(r"inbound-vip\|(\d{1,5})\|([^|]*)\|([^|]+)")


def service_of(chain: FilterChain) -> tuple[int, str] | None:
    """The (port, host) in a waypoint's chain's name, `inbound-vip|80|http|HOST` (`inbound-vip|80||HOST-http` before);
    else in that of its routes, or of the one cluster that its bytes go to."""
    single = chain.clusters[0].cluster if len(chain.clusters) == 1 else ""
    for name in (chain.name, chain.inline, single):
        found = _WAYPOINT_CHAIN.fullmatch(name)
        if found is not None:
            host = found[3] if found[2] else found[3].removesuffix("-http").removesuffix("-tcp")
            return int(found[1]), host
    return None


def everywhere(address: str) -> bool:
    """Whether a listener takes connections to any address of its pod."""
    return address in {"0.0.0.0", "::", ""}  # noqa: S104 - a listener's address that is compared, not bound


def leads_to(listener: Listener, host: str) -> bool:
    """Whether a listener of one address proxies bytes to a service, or has the routes of it alone."""
    if everywhere(listener.address):
        return False
    clusters = (one.cluster for chain in listener.chains for one in chain.clusters)
    routes = (chain.route_config for chain in listener.chains)
    return f"{host}:{listener.port}" in routes or any(split_name(name)[1] == host for name in clusters)


def fitting(listener: Listener, vips: tuple[str, ...], host: str) -> FilterChain | None:
    """The chain for a connection to one of `vips` with a server name: the narrowest range, then a server name, then
    HTTP before bytes, as requests are HTTP."""
    fitting = [
        (width, chain)
        for chain in listener.chains
        if (width := _width(chain, vips)) is not None and _serves(chain, host)
    ]
    ranked = sorted(fitting, key=lambda found: (-found[0], not found[1].server_names, not found[1].http))
    return ranked[0][1] if ranked else None


def _width(chain: FilterChain, vips: tuple[str, ...]) -> int | None:
    """How many bits of the address the chain asks for; None where it does not take it."""
    if not chain.ranges:
        return 0
    widths = []
    for text in chain.ranges:
        try:
            known = ip_network(text, strict=False)
            widths += [known.prefixlen for vip in vips if ip_address(vip) in known]
        except (ValueError, TypeError):
            continue
    return max(widths, default=None)


def _serves(chain: FilterChain, host: str) -> bool:
    return not chain.server_names or any(rank(name, {host}) is not None for name in chain.server_names)
