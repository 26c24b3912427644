"""A moment as the lab shows it: tables that stand still, and who calls what meanwhile."""

from collections.abc import Mapping
from dataclasses import field
from typing import final

from meshsim.analysis.calls import Call
from meshsim.dataplane.walk import Client
from meshsim.model.frozen import frozen
from meshsim.tables.views import Views


@final
@frozen
class Phase:
    """Tables that stand still for a while, and who calls what meanwhile."""

    name: str
    views: Views
    calls: tuple[Call, ...]
    choices: Mapping[str, str] = field(default_factory=dict)


@final
@frozen
class Located:
    """One client location of a call; `name` tells it from the call's others."""

    call: Call
    name: str
    client: Client


def located(phase: Phase) -> tuple[Located, ...]:
    """Every client location of every call."""
    found = []
    for call in phase.calls:
        several = len(call.caller.clients) > 1
        for _, client in call.caller.clients:
            place = f" ({client.locality or client.uid.rpartition('/')[2]})" if several else ""
            found.append(Located(call=call, name=f"{call.caller.name}{place}", client=client))
    return tuple(found)
