"""Authorization as ztunnel enforces it: its policies by scope, and which workloads insist on mutual TLS."""

from collections.abc import Mapping
from dataclasses import field
from typing import final

from meshsim.model.facts import Fact
from meshsim.model.frozen import frozen


@final
@frozen
class Source:
    """Who connects; each list that is given must have a match, each `not_` list none.

    Values are exact, `prefix*`, `*suffix` or `*` (anybody with an identity).
    """

    principals: tuple[str, ...] = ()
    not_principals: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    not_namespaces: tuple[str, ...] = ()
    service_accounts: tuple[str, ...] = ()
    """`namespace/name`."""
    not_service_accounts: tuple[str, ...] = ()


@final
@frozen
class Rule:
    """One rule: any of `sources` (none: anybody), on any of `ports` (none: every port)."""

    sources: tuple[Source, ...] = ()
    ports: tuple[int, ...] = ()
    not_ports: tuple[int, ...] = ()


@final
@frozen
class Policy:
    """One policy. `namespace` "" is the whole mesh; `selector` empty is every workload there."""

    name: str
    namespace: str
    selector: Mapping[str, str] = field(default_factory=dict)
    allow: bool = True
    rules: tuple[Rule, ...] = ()
    why: tuple[Fact, ...] = field(default=(), compare=False)


@final
@frozen
class Strict:
    """A PeerAuthentication. `mode` is what it says, UNSET included; `ports` says it for single ports."""

    name: str
    namespace: str
    selector: Mapping[str, str] = field(default_factory=dict)
    mode: str = "UNSET"
    ports: Mapping[int, str] = field(default_factory=dict)
    why: tuple[Fact, ...] = field(default=(), compare=False)
