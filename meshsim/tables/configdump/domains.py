"""Which virtual host an authority belongs to (envoy api/envoy/config/route/v3/route_components.proto
VirtualHost.domains)."""

from collections.abc import Iterable

from meshsim.tables.configdump.rows import VirtualHost


def best_host(hosts: Iterable[VirtualHost], host: str, port: int, vips: Iterable[str] = ()) -> VirtualHost | None:
    """The virtual host for an authority: an exact domain, the longest `*suffix`, the longest `prefix*`, then `*`."""
    wanted = {host.lower(), f"{host.lower()}:{port}", *vips, *(f"{vip}:{port}" for vip in vips)}
    ranked = [
        (place, found) for found in hosts for domain in found.domains if (place := rank(domain, wanted)) is not None
    ]
    return max(ranked, key=lambda one: one[0])[1] if ranked else None


def rank(domain: str, wanted: Iterable[str]) -> tuple[int, int] | None:
    """How specific a domain is that takes one of the names; None where it takes none.

    >>> rank("*.example.com", {"shop.example.com"}), rank("shop.example.com", {"example.com"})
    ((2, 13), None)
    """
    said = domain.lower()
    if said == "*":
        return 0, 0
    if said.startswith("*"):
        return (2, len(said)) if any(name.endswith(said[1:]) and name != said[1:] for name in wanted) else None
    if said.endswith("*"):
        return (1, len(said)) if any(name.startswith(said[:-1]) and name != said[:-1] for name in wanted) else None
    return (3, len(said)) if said in set(wanted) else None
