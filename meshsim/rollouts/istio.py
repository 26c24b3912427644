"""What the controller's Istio router writes into VirtualServices and DestinationRules.

Source: argo-rollouts rollout/trafficrouting/istio/istio.go.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from meshsim.rollouts.errors import DELAYED, NOT_FOUND, NOT_NAMED, RolloutError
from meshsim.rollouts.memo import copied
from meshsim.rollouts.replicaset import ReplicaSet, replica_set
from meshsim.rollouts.spec import (
    HASH_LABEL,
    MANAGED_BY,
    Fields,
    canary,
    is_promoted,
    routed_services,
    routing,
    steps_of,
)
from meshsim.rollouts.versions import LATEST, controller
from meshsim.rollouts.weight import rolling_back


def config_of(rollout: Fields) -> Fields | None:
    """`trafficRouting.istio`, or None."""
    found = (routing(rollout) or {}).get("istio")
    return found if isinstance(found, Mapping) else None


def virtual_services(rollout: Fields) -> list[tuple[str, str, Fields]]:
    """(namespace, name, its configuration) of each VirtualService; `name.namespace` is read as both."""
    config = config_of(rollout) or {}
    entries = config.get("virtualServices") or ([config["virtualService"]] if config.get("virtualService") else [])
    found = []
    for entry in entries:
        name, _, namespace = str(entry.get("name") or "").partition(".")
        found.append((namespace or home(rollout), name, entry))
    return found


def destination_rule(rollout: Fields) -> Fields | None:
    """The `destinationRule` configuration (name, canarySubsetName, stableSubsetName), or None."""
    found = (config_of(rollout) or {}).get("destinationRule")
    return found if isinstance(found, Mapping) else None


def home(rollout: Fields) -> str:
    """The Rollout's namespace."""
    return str((rollout.get("metadata") or {}).get("namespace") or "default")


def _find(docs: list[Fields], kind: str, namespace: str, name: str) -> int | None:
    known = [index for index, doc in enumerate(docs) if doc.get("kind", kind) == kind]
    if not name:
        return known[0] if len(known) == 1 else None
    for index in known:
        metadata = docs[index].get("metadata") or {}
        same = (metadata.get("namespace") or "default") == namespace and metadata.get("name") == name
        if same:
            return index
    # One that does not say its namespace is in the Rollout's.
    bare = [docs[index].get("metadata") or {} for index in known]
    found = [
        index
        for index, metadata in zip(known, bare, strict=True)
        if metadata.get("namespace") is None and metadata.get("name") in {None, name}
    ]
    return found[0] if len(found) == 1 else None


def missing(kind: str, namespace: str, name: str) -> RolloutError:
    """The API server's words for an Istio object that is not there."""
    return RolloutError(
        f'{kind.lower()}s.networking.istio.io "{name}" not found',
        reason=NOT_FOUND,
        hint=f"create {kind} {namespace}/{name}",
    )


def write_virtualservice(
    docs: Iterable[Fields] | Fields,
    rollout: Fields,
    weight: int,
    *,
    additional: Iterable[Fields] = (),
    version: str = LATEST,
) -> list[dict[str, Any]]:
    """`docs` with the weights that SetWeight writes into the named VirtualServices; others come back unchanged.

    `additional` are experiment destinations (`serviceName`, `weight`). Raises RolloutError where a VirtualService or a
    route is missing or does not name both destinations. Nothing is mutated. Source: istio.go:223-283.
    """
    given: list[Fields] = [docs] if isinstance(docs, Mapping) else list(docs)
    written = [copied(dict(doc)) for doc in given]
    configured = virtual_services(rollout)
    if not configured:
        msg = "spec.strategy.canary.trafficRouting.istio names no VirtualService"
        raise RolloutError(msg, reason=NOT_NAMED, hint="name it in virtualService or virtualServices")
    for namespace, name, entry in configured:
        index = _find(given, "VirtualService", namespace, name)
        if index is None:
            msg = "VirtualService"
            raise missing(msg, namespace, name)
        _weigh(written[index], rollout, entry, weight, list(additional), version)
    return written


def _weigh(
    service: dict[str, Any], rollout: Fields, entry: Fields, weight: int, additional: list[Fields], version: str
) -> None:
    spec = service.get("spec") or {}
    for kind in ("http", "tls", "tcp"):
        _check_shape(kind, spec.get(kind))
    http = spec.get("http") or []
    if "http" in spec:
        _check_http(rollout, entry, http)
    managed = {part.get("name") for part in (routing(rollout) or {}).get("managedRoutes") or ()}
    names = [*(entry.get("routes") or ())]
    names += [route.get("name") for route in http if route.get("mirror") and route.get("name") in managed]
    chosen = [http[index] for index in http_indexes(names, http) if index < len(http)]
    for kind, wanted in (("tls", entry.get("tlsRoutes") or ()), ("tcp", entry.get("tcpRoutes") or ())):
        routes = spec.get(kind) or []
        if kind in spec:
            chosen += _port_routes(rollout, kind, list(wanted), routes)
    before = copied(chosen)
    for route in chosen:
        _weigh_route(route, rollout, weight, additional, version)
    if before != chosen and http:
        spec["http"] = ordered(rollout, http)


def _check_shape(kind: str, routes: Any) -> None:
    """Refuse what does not read as routes with destinations (istio.go "Invalid casting")."""
    for field, value, wanted, spelled in _shapes(kind, routes):
        if not isinstance(value, wanted):
            msg = f"Invalid casting: field '{field}' is not of type '{spelled}'"
            raise RolloutError(msg, reason=NOT_NAMED)


def _shapes(kind: str, routes: Any) -> Iterator[tuple[str, Any, type, str]]:
    yield kind, [] if routes is None else routes, list, "[]interface"
    for route in routes or ():
        yield f"{kind}[]", route, Mapping, "map[string]interface"
        yield f"{kind}[].route", route.get("route") or [], list, "[]interface"
        for part in route.get("route") or ():
            yield f"{kind}[].route[].destination", part, Mapping, "map[string]interface"


def http_indexes(names: list[Any], routes: list[Any]) -> list[int]:
    """Which http routes are weighted: the named ones; else the only one; else the first without a name; else none."""
    if not names:
        if len(routes) == 1:
            return [0]
        return next(([index] for index, route in enumerate(routes) if not route.get("name")), [])
    found = []
    for name in names:
        index = next((place for place, route in enumerate(routes) if (route.get("name") or "") == name), None)
        if index is None:
            msg = f"HTTP Route '{name}' is not found in the defined Virtual Service."
            raise RolloutError(msg, reason=NOT_NAMED)
        found.append(index)
    return found


def _check_http(rollout: Fields, entry: Fields, routes: list[Any]) -> None:
    names = list(entry.get("routes") or ())
    for index in http_indexes(names, routes):
        check_destinations(rollout, routes[index])
    managed = {part.get("name") for part in (routing(rollout) or {}).get("managedRoutes") or ()}
    if not names and sum(1 for route in routes if route.get("name") not in managed) > 1:
        msg = (
            "spec.http[] should be set in VirtualService and it must have exactly one route when omitting "
            "spec.strategy.canary.trafficRouting.istio.virtualService.routes"
        )
        raise RolloutError(
            msg,
            reason=NOT_NAMED,
        )


def _port_routes(rollout: Fields, kind: str, wanted: list[Fields], routes: list[Any]) -> list[Any]:
    """The tls or tcp routes to weigh: those matching the listed ports (and SNI hosts), else the only one."""
    if wanted:
        found = []
        for entry in wanted:
            hits = [route for route in routes if _on_port(route, entry, with_hosts=kind == "tls")]
            if not hits:
                msg = f"No matching {kind.upper()} routes found in the defined Virtual Service."
                raise RolloutError(msg, reason=NOT_NAMED)
            found += hits
    else:
        found = routes[:1]
    for route in found:
        check_destinations(rollout, route)
    if not wanted and len(routes) > 1:
        msg = (
            f"spec.{kind}[] should be set in VirtualService and it must have exactly one route when omitting "
            f"spec.strategy.canary.trafficRouting.istio.virtualService.{kind}Routes"
        )
        raise RolloutError(
            msg,
            reason=NOT_NAMED,
        )
    return found


def _on_port(route: Fields, entry: Fields, *, with_hosts: bool) -> bool:
    matches = route.get("match") or ()
    ports = {match.get("port") or 0 for match in matches}
    hosts = {host for match in matches for host in match.get("sniHosts") or ()}
    if len(ports) > 1 or next(iter(ports), 0) != (entry.get("port") or 0):
        return False
    return not with_hosts or hosts == set(entry.get("sniHosts") or ())


def short_host(destination: Fields) -> str:
    """The first label of a destination's host: all that is compared with a Service's name."""
    return str((destination.get("destination") or {}).get("host") or "").partition(".")[0]


def check_destinations(rollout: Fields, route: Fields) -> None:
    """Both subsets, or without a DestinationRule both services, must be destinations (istio.go validate…)."""
    destinations = route.get("route") or ()
    rule = destination_rule(rollout)
    subsets = {(part.get("destination") or {}).get("subset") for part in destinations}
    hosts = {short_host(part) for part in destinations}
    services = _services(rollout)
    for role in ("canary", "stable"):
        if rule is not None:
            name = rule.get(f"{role}SubsetName") or ""
            if not name or name not in subsets:
                msg = f"{role.capitalize()} DestinationRule subset '{name}' not found in route"
                raise RolloutError(msg, reason=NOT_NAMED)
        else:
            service = services[role]
            if not service or service not in hosts:
                msg = f"{role.capitalize()} Service '{service}' not found in route"
                raise RolloutError(msg, reason=NOT_NAMED)


def _services(rollout: Fields) -> dict[str, str]:
    """The Services of the two roles; with pingPong the Rollout's status says which is which."""
    stable, canary_name = routed_services(rollout, rollout.get("status") or {})
    return {"canary": canary_name, "stable": stable}


def _weigh_route(route: dict[str, Any], rollout: Fields, weight: int, additional: list[Fields], version: str) -> None:
    """Canary and stable by host or subset; any other destination with weight is deleted, one without kept."""
    rule = destination_rule(rollout) or {}
    kept = set(rule.get("additionalSubsetNames") or ()) if controller(version)["additional_subsets"] else set()
    services = _services(rollout)
    experiments = {str(part.get("serviceName")): int(part.get("weight") or 0) for part in additional}
    destinations = list(route.get("route") or ())
    extra = sum(int(part.get("weight") or 0) for part in destinations if _subset(part) in kept)
    shares = {"canary": weight, "stable": max(0, 100 - weight - sum(experiments.values()) - extra)}
    new: list[Any] = []
    for part in destinations:
        host, subset = short_host(part), _subset(part)
        role = next(
            (
                role
                for role in ("canary", "stable")
                if (services[role] and host == services[role]) or (subset and subset == rule.get(f"{role}SubsetName"))
            ),
            None,
        )
        if role is not None:
            new.append(_weighted(part, shares[role]))
        elif host in experiments:
            new.append(_weighted(part, experiments.pop(host)))
        elif subset in kept or not part.get("weight") or not host:
            new.append(part)
    new += [{"weight": share, "destination": {"host": host}} for host, share in experiments.items()]
    route["route"] = new


def _subset(part: Fields) -> str:
    return str((part.get("destination") or {}).get("subset") or "")


def _weighted(part: Fields, weight: int) -> Fields:
    """An absent weight counts as 0 and stays absent when it is to be 0 (appendPatch compares numbers)."""
    return part if int(part.get("weight") or 0) == weight else {**part, "weight": weight}


def ordered(rollout: Fields, routes: list[Any]) -> list[Any]:
    """Managed routes first, in the order of `managedRoutes` (istio.go orderRoutes)."""
    names = [part.get("name") for part in (routing(rollout) or {}).get("managedRoutes") or ()]
    if not names:
        return routes
    first = [route for name in names for route in routes if route.get("name") == name]
    return first + [route for route in routes if route.get("name") not in names]


def set_managed_route(
    service: Fields, rollout: Fields, entry: Fields, step: Fields, *, mirror: bool, host: str
) -> dict[str, Any]:
    """The VirtualService with the route of a setHeaderRoute or setMirrorRoute step; without `match` it is removed.

    `host` is the DestinationRule's host, else the canary Service. Source: istio.go SetHeaderRoute, SetMirrorRoute.
    """
    written: dict[str, Any] = copied(dict(service))
    spec = written.setdefault("spec", {})
    if "http" not in spec:
        msg = "spec.http not found"
        raise RolloutError(msg, reason=NOT_NAMED)
    routes = [route for route in spec["http"] if route.get("name") != step.get("name")]
    if step.get("match"):
        indexes = http_indexes(list(entry.get("routes") or ()), routes)
        source = routes[indexes[0]] if indexes else {}
        target: dict[str, Any] = {"host": host}
        port = next((((part.get("destination") or {}).get("port")) for part in source.get("route") or ()), None)
        if port:
            target["port"] = copied(port)
        subset = (destination_rule(rollout) or {}).get("canarySubsetName")
        if subset:
            target["subset"] = subset
        new: dict[str, Any] = {"name": step.get("name")}
        if mirror:
            percentage = step.get("percentage")
            new["match"] = [_mirror_match(match) for match in step["match"]]
            new["route"] = [_mirrored(part) for part in source.get("route") or ()]
            new["mirror"] = target
            new["mirrorPercentage"] = {"value": 100 if percentage is None else percentage}
            routes = [new, *routes]
        else:
            new["match"] = [{"headers": {match.get("headerName"): _value(match)}} for match in step["match"]]
            new["route"] = [{"weight": 100, "destination": target}]
            routes = [*routes, new]
    spec["http"] = ordered(rollout, routes)
    return written


def _mirrored(part: Fields) -> dict[str, Any]:
    """A destination as createMirrorRoute copies it: by the fields it knows, a weight of 0 left out (istio_types.go)."""
    target = part.get("destination") or {}
    known = {key: copied(target[key]) for key in ("host", "subset", "port") if target.get(key)}
    return {"destination": known, **({"weight": part["weight"]} if part.get("weight") else {})}


def _value(match: Fields) -> dict[str, Any]:
    value = match.get("headerValue") or {}
    return {key: value[key] for key in ("exact", "regex", "prefix") if value.get(key)}


def _mirror_match(match: Fields) -> dict[str, Any]:
    names = (("method", "method"), ("path", "uri"), ("headers", "headers"))
    return {to: copied(match[key]) for key, to in names if match.get(key)}


def remove_managed_routes(service: Fields, rollout: Fields, *, version: str = LATEST) -> dict[str, Any]:
    """The VirtualService without the routes named in `managedRoutes`; from 1.10 on also without those that a
    setHeaderRoute or setMirrorRoute step names (istio.go RemoveManagedRoutes)."""
    written: dict[str, Any] = copied(dict(service))
    names = {part.get("name") for part in (routing(rollout) or {}).get("managedRoutes") or ()}
    if controller(version)["removes_routes_of_steps"]:
        for step in steps_of(rollout):
            names |= {step[kind].get("name") for kind in ("setHeaderRoute", "setMirrorRoute") if step.get(kind)}
    http = (written.get("spec") or {}).get("http")
    if names and http:
        written["spec"]["http"] = [route for route in http if route.get("name") not in names]
    return written


def write_destinationrule(
    docs: Iterable[Fields] | Fields,
    rollout: Fields,
    canary_hash: str,
    stable_hash: str,
    *,
    additional: Iterable[Fields] = (),
    sets: Iterable[Fields | ReplicaSet] = (),
    version: str = LATEST,
) -> list[dict[str, Any]]:
    """`docs` with the hashes that UpdateHash writes into the two subsets; others come back unchanged.

    Both labels change in one write; other labels stay; an empty hash removes the label; subsets that are neither
    stable, canary nor of an experiment (`additional`: serviceName, podTemplateHash) are removed. Raises RolloutError
    where the DestinationRule is missing, and where the switch has to wait for pods of the ReplicaSets in `sets`, by
    default none (see `destinationrule_delay`; up to 1.8 it is then left as it is).
    Source: istio.go:408-483.
    """
    given: list[Fields] = [docs] if isinstance(docs, Mapping) else list(docs)
    config = destination_rule(rollout)
    written = [copied(dict(doc)) for doc in given]
    if config is None:
        return written
    index = _find(given, "DestinationRule", home(rollout), str(config.get("name")))
    if index is None:
        msg = "DestinationRule"
        raise missing(msg, home(rollout), str(config.get("name")))
    known = [replica_set(found, order) for order, found in enumerate(sets)]
    status = rollout.get("status") or {}
    if known and destinationrule_delay(rollout, status, known, canary_hash, stable_hash, version=version):
        return written
    rule = written[index]
    hashes = {str(part.get("serviceName")): str(part.get("podTemplateHash") or "") for part in additional}
    hashes_by_role = {config.get("canarySubsetName"): canary_hash, config.get("stableSubsetName"): stable_hash}
    if config.get("canarySubsetName") == config.get("stableSubsetName"):
        hashes_by_role = {config.get("canarySubsetName"): canary_hash}
    subsets = []
    for subset in (rule.get("spec") or {}).get("subsets") or ():
        name = subset.get("name")
        if name in hashes_by_role:
            subsets.append(_labelled(subset, hashes_by_role[name]))
        elif name in hashes:
            subsets.append(_labelled(subset, hashes.pop(name)))
    subsets += [{"name": name, "labels": {HASH_LABEL: value}} for name, value in hashes.items()]
    metadata = rule.setdefault("metadata", {})
    name = str((rollout.get("metadata") or {}).get("name") or "")
    metadata["annotations"] = {**(metadata.get("annotations") or {}), MANAGED_BY: name}
    rule.setdefault("spec", {})["subsets"] = subsets
    return written


def _labelled(subset: Fields, pod_hash: str) -> dict[str, Any]:
    labels = {key: value for key, value in (subset.get("labels") or {}).items() if key != HASH_LABEL}
    if pod_hash:
        labels[HASH_LABEL] = pod_hash
    return {**subset, "labels": labels}


def destinationrule_delay(
    rollout: Fields,
    status: Fields,
    sets: Iterable[ReplicaSet],
    canary_hash: str,
    stable_hash: str,
    *,
    version: str = LATEST,
) -> bool:
    """Whether the DestinationRule is left alone in this sync because pods are missing.

    Only where the Rollout names no Services. Raises RolloutError in the releases that fail the whole sync instead
    (argo-rollouts#4319, #4839). Source: istio.go:385-406; argo-rollouts#2507, #4128, #4612.
    """
    mode = controller(version)["dr_delay"]
    if mode == "none" or canary(rollout).get("canaryService") or canary(rollout).get("stableService"):
        return False
    known = list(sets)
    waits_for_stable_only = mode == "error" and _only_stable_counts(rollout, status, known, stable_hash)
    for found in known:
        if found.replicas == 0 or found.fully_available:
            continue
        if mode != "error-any" and (not found.hash or found.hash not in {canary_hash, stable_hash}):
            continue
        if waits_for_stable_only and found.hash == canary_hash:
            continue
        if mode == "skip":
            return True
        msg = f"delaying destination rule switch: ReplicaSet {found.name} not fully available"
        raise RolloutError(msg, reason=DELAYED)
    return False


def _only_stable_counts(rollout: Fields, status: Fields, sets: list[ReplicaSet], stable_hash: str) -> bool:
    """utils/rollout/rolloututil.go AbortOrDynamicRollbackToStable."""
    if status.get("abort"):
        return True
    stable = next((found for found in sets if found.hash == stable_hash), None)
    return stable is not None and is_promoted(status) and rolling_back(rollout, status, stable)
