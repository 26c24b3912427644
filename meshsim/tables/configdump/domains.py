"""Which virtual host an authority belongs to (envoy api/envoy/config/route/v3/route_components.proto
VirtualHost.domains)."""

from collections.abc import Iterable
from typing import final

from meshsim.tables.configdump.rows import VirtualHost


@final
class Domains:
    """Virtual hosts by domain: a sidecar holds thousands, most of them under exact names."""

    def __init__(self, hosts: Iterable[VirtualHost]) -> None:
        self._exact: dict[str, VirtualHost] = {}
        self._patterns: list[tuple[str, VirtualHost]] = []
        for host in hosts:
            for domain in host.domains:
                if "*" in domain:
                    self._patterns.append((domain, host))
                else:
                    self._exact.setdefault(domain.lower(), host)

    def best(self, host: str, port: int, vips: Iterable[str] = ()) -> VirtualHost | None:
        """The virtual host for an authority: an exact domain, the longest `*suffix` or else `prefix*`, then `*`."""
        wanted = (host.lower(), f"{host.lower()}:{port}", *(name for vip in vips for name in (vip, f"{vip}:{port}")))
        exact = next((self._exact[name] for name in wanted if name in self._exact), None)
        if exact is not None:
            return exact
        ranked = [(place, found) for domain, found in self._patterns if (place := rank(domain, wanted)) is not None]
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
