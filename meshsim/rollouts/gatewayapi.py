"""What the Gateway API plugin writes into routes.

It matches backendRefs by name only: group, kind, namespace and port do not count. Sources are files of
rollouts-plugin-trafficrouter-gatewayapi v0.15 (pkg/plugin).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from meshsim.rollouts.errors import NOT_ADMITTED, NOT_FOUND, NOT_NAMED, RolloutError
from meshsim.rollouts.memo import copied
from meshsim.rollouts.spec import Fields, canary, routing
from meshsim.rollouts.versions import LATEST_GATEWAYAPI, gatewayapi_plugin

PLUGIN = "argoproj-labs/gatewayAPI"
IN_PROGRESS_KEY = "rollouts.argoproj.io/gatewayapi-canary"
IN_PROGRESS_VALUE = "in-progress"


class RouteKind(NamedTuple):
    """A kind of route and the configuration fields that name its routes."""

    kind: str
    one: str
    many: str
    selector: str
    resource: str
    has_managed: bool


KINDS = (
    RouteKind("HTTPRoute", "httpRoute", "httpRoutes", "httpRouteSelector", "httproutes", has_managed=True),
    RouteKind("GRPCRoute", "grpcRoute", "grpcRoutes", "grpcRouteSelector", "grpcroutes", has_managed=True),
    RouteKind("TCPRoute", "tcpRoute", "tcpRoutes", "tcpRouteSelector", "tcproutes", has_managed=False),
    RouteKind("TLSRoute", "tlsRoute", "tlsRoutes", "tlsRouteSelector", "tlsroutes", has_managed=False),
)


class Target(NamedTuple):
    """One route that the Rollout writes. `header_routes`: setHeaderRoute rules are put into it (useHeaderRoutes)."""

    kind: RouteKind
    namespace: str
    name: str
    header_routes: bool


def config_of(rollout: Fields) -> Fields | None:
    """The plugin's configuration in the Rollout, None where it does not use the plugin."""
    plugins = (routing(rollout) or {}).get("plugins") or {}
    for name, config in plugins.items():
        if str(name).lower() == PLUGIN.lower():
            return config if isinstance(config, Mapping) else {}
    return None


def targets(rollout: Fields, docs: Iterable[Fields] = (), *, version: str = LATEST_GATEWAYAPI) -> list[Target]:
    """The routes the plugin writes, kind by kind (HTTP, GRPC, TCP, TLS); `docs` are searched by the selectors.

    Source: plugin.go:66; types.go (httpRoutes[].namespace is not a field and is ignored).
    """
    config = config_of(rollout)
    if config is None:
        return []
    behaviour = gatewayapi_plugin(version)
    home = str((rollout.get("metadata") or {}).get("namespace") or "default")
    namespace = str(config.get("namespace") or (home if behaviour["default_namespace"] else ""))
    found: dict[tuple[str, str], Target] = {}
    for kind in KINDS:
        if config.get(kind.one):
            one = str(config[kind.one])
            found[kind.kind, one] = Target(kind, namespace, one, header_routes=True)
        for entry in config.get(kind.many) or ():
            name = entry.get("name") if isinstance(entry, Mapping) else None
            if name:
                use = bool(entry.get("useHeaderRoutes"))
                found.setdefault((kind.kind, str(name)), Target(kind, namespace, str(name), header_routes=use))
        if config.get(kind.selector) is not None and behaviour["selectors"]:
            for doc in docs:
                name = str((doc.get("metadata") or {}).get("name"))
                if _is(doc, kind.kind, namespace) and _matches(config[kind.selector], doc):
                    found.setdefault((kind.kind, name), Target(kind, namespace, name, header_routes=False))
    return list(found.values())


def _is(doc: Fields, kind: str, namespace: str) -> bool:
    return doc.get("kind") == kind and ((doc.get("metadata") or {}).get("namespace") or "default") == namespace


def _matches(selector: Fields, doc: Fields) -> bool:
    labels = (doc.get("metadata") or {}).get("labels") or {}
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_holds(rule, labels) for rule in selector.get("matchExpressions") or ())


def _holds(rule: Fields, labels: Fields) -> bool:
    key = str(rule.get("key"))
    present, value = key in labels, labels.get(key)
    values = rule.get("values") or ()
    return {
        "In": present and value in values,
        "NotIn": not present or value not in values,
        "Exists": present,
        "DoesNotExist": not present,
    }.get(str(rule.get("operator")), False)


def is_managed(rollout: Fields, rule: Fields, *, version: str = LATEST_GATEWAYAPI) -> bool:
    """A rule that setHeaderRoute made, or that looks like one: by name, or a single backendRef to the canary.

    So a user's own canary-only rule is never weighted, and is removed with the managed ones (httproute.go:263-296).
    """
    if not gatewayapi_plugin(version)["skips_managed_rules"]:
        return False
    name = str(rule.get("name") or "")
    for managed in (routing(rollout) or {}).get("managedRoutes") or ():
        base = str(managed.get("name") or "")
        if base and (name == base or (name.startswith(f"{base}-") and name[len(base) + 1 :].isdigit())):
            return True
    refs: list[Fields] = list(rule.get("backendRefs") or ())
    return len(refs) == 1 and bool(refs[0].get("name")) and refs[0].get("name") == canary(rollout).get("canaryService")


def write_route(route: Fields, rollout: Fields, weight: int, *, version: str = LATEST_GATEWAYAPI) -> dict[str, Any]:
    """One route with the canary at `weight` and the stable at 100 - weight, whatever maxTrafficWeight says.

    Raises RolloutError in the plugin's words where a service is not named (httproute.go:15-73, tcproute.go).
    """
    written: dict[str, Any] = copied(dict(route))
    kind = next((known for known in KINDS if known.kind == route.get("kind")), KINDS[0])
    wanted = ((canary(rollout).get("canaryService"), weight), (canary(rollout).get("stableService"), 100 - weight))
    rules = (written.get("spec") or {}).get("rules") or []
    for service, share in wanted:
        refs = [
            ref
            for rule in rules
            if not (kind.has_managed and is_managed(rollout, rule, version=version))
            for ref in rule.get("backendRefs") or ()
            if service and ref.get("name") == service
        ]
        if not refs:
            msg = f"backendRef was not found in {kind.one}"
            raise RolloutError(
                msg,
                reason=NOT_NAMED,
                hint=f"name the Service {service or 'in stableService and canaryService'} in a backendRef of "
                f"{kind.kind} {_name(route)}",
            )
        for ref in refs:
            ref["weight"] = share
    _label(written, config_of(rollout) or {}, weight, version=version)
    return written


def _label(route: dict[str, Any], config: Fields, weight: int, *, version: str) -> None:
    """The in-progress label: there while the canary has weight (labels.go)."""
    if not gatewayapi_plugin(version)["in_progress_label"] or config.get("disableInProgressLabel"):
        return
    metadata = route.setdefault("metadata", {})
    labels = dict(metadata.get("labels") or {})
    key = config.get("inProgressLabelKey") or IN_PROGRESS_KEY
    if weight:
        labels[key] = config.get("inProgressLabelValue") or IN_PROGRESS_VALUE
    elif key in labels:
        del labels[key]
    else:
        return
    metadata["labels"] = labels
    if not labels:
        del metadata["labels"]


def _name(doc: Fields) -> str:
    metadata = doc.get("metadata") or {}
    return f"{metadata.get('namespace') or 'default'}/{metadata.get('name')}"


def write_httproute(
    docs: Iterable[Fields] | Fields, rollout: Fields, weight: int, *, version: str = LATEST_GATEWAYAPI
) -> list[dict[str, Any]]:
    """`docs` (routes as in YAML, one or many) with the weights that the plugin writes; others come back unchanged.

    A doc that does not say its kind is an HTTPRoute; one without a name or namespace has those of the configuration.
    Raises RolloutError: a configured route is missing, or one does not name both services. Nothing is mutated.
    """
    given = [docs] if isinstance(docs, Mapping) else list(docs)
    found = targets(rollout, given, version=version)
    if config_of(rollout) is None:
        return [
            write_route(doc, rollout, weight, version=version)
            if doc.get("kind", "HTTPRoute") in {kind.kind for kind in KINDS}
            else copied(dict(doc))
            for doc in given
        ]
    written = [copied(dict(doc)) for doc in given]
    if not found:
        raise none_configured()
    for target in found:
        index = next((place for place, doc in enumerate(given) if _is_target(doc, target)), None)
        if index is None:
            index = next((place for place, doc in enumerate(given) if _may_be(doc, target)), None)
        if index is None:
            raise missing(target)
        written[index] = write_route(given[index], rollout, weight, version=version)
    return written


def admitted(route: Fields) -> None:
    """RolloutError where the API server refuses a written route: the weight of a backendRef is at least 0 in Gateway
    API's CRDs, and the plugin writes 100 - weight under a maxTrafficWeight above 100, too."""
    for place, rule in enumerate((route.get("spec") or {}).get("rules") or ()):
        for index, ref in enumerate(rule.get("backendRefs") or ()):
            if (ref.get("weight") or 0) < 0:
                at = f"spec.rules[{place}].backendRefs[{index}].weight"
                msg = f"{route.get('kind') or 'HTTPRoute'} {_name(route)} is invalid: {at}: {ref['weight']} is below 0"
                raise RolloutError(
                    msg,
                    reason=NOT_ADMITTED,
                    hint="keep setWeight within 100: the plugin gives the stable Service 100 less that",
                )


def none_configured() -> RolloutError:
    """The plugin's words where its configuration names no route (errors.go)."""
    return RolloutError(
        "No routes configured. At least one of 'httpRoutes', 'grpcRoutes', 'tcpRoutes', 'tlsRoutes', 'httpRoute', "
        "'grpcRoute', 'tcpRoute' or 'tlsRoute' must be set",
        reason=NOT_FOUND,
        hint="name the route in the plugin's configuration",
    )


def missing(target: Target) -> RolloutError:
    """The API server's words for a route that is not there."""
    return RolloutError(
        f'{target.kind.resource}.gateway.networking.k8s.io "{target.name}" not found',
        reason=NOT_FOUND,
        hint=f"create {target.kind.kind} {target.namespace or '(no namespace)'}/{target.name}",
    )


def _is_target(doc: Fields, target: Target) -> bool:
    return _is(doc, target.kind.kind, target.namespace) and (doc.get("metadata") or {}).get("name") == target.name


def _may_be(doc: Fields, target: Target) -> bool:
    metadata = doc.get("metadata") or {}
    return (
        doc.get("kind", "HTTPRoute") == target.kind.kind
        and metadata.get("name") in {None, target.name}
        and metadata.get("namespace") in {None, target.namespace}
    )


def set_header_route(route: Fields, rollout: Fields, header: Fields) -> dict[str, Any]:
    """The route with one more rule for each rule that holds both services, for requests with these headers.

    Without `match` the rules of that name go. Source: httproute.go SetHeaderRoute.
    """
    written = without_rules(route, lambda rule: _is_named(rule, str(header.get("name"))))
    if not header.get("match"):
        return written
    canary_name, stable_name = canary(rollout).get("canaryService"), canary(rollout).get("stableService")
    headers = [_header_match(match) for match in header["match"]]
    added: list[dict[str, Any]] = []
    for rule in written["spec"].get("rules") or ():
        refs = {ref.get("name"): ref for ref in rule.get("backendRefs") or ()}
        if canary_name not in refs or stable_name not in refs:
            continue
        name = str(header["name"]) if not added else f"{header['name']}-{len(added)}"
        added.append(_header_rule(rule, name, refs[canary_name], headers))
    if not added:
        msg = "backendRef was not found in httpRoute"
        raise RolloutError(msg, reason=NOT_NAMED)
    written["spec"]["rules"] = [*written["spec"]["rules"], *added]
    return written


def _header_rule(rule: Fields, name: str, ref: Fields, headers: list[dict[str, Any]]) -> dict[str, Any]:
    new: dict[str, Any] = {"name": name}
    new["matches"] = [
        {**copied(dict(match)), "headers": [*(match.get("headers") or ()), *copied(headers)]}
        for match in (rule.get("matches") or [{}])
    ]
    if rule.get("filters"):
        new["filters"] = copied(rule["filters"])
    new["backendRefs"] = [{key: value for key, value in ref.items() if key != "weight"}]
    return new


def _header_match(match: Fields) -> dict[str, Any]:
    value = match.get("headerValue") or {}
    name = match.get("headerName")
    if value.get("exact"):
        return {"type": "Exact", "name": name, "value": value["exact"]}
    if value.get("prefix"):
        return {"type": "RegularExpression", "name": name, "value": f"{value['prefix']}.*"}
    if value.get("regex"):
        return {"type": "RegularExpression", "name": name, "value": value["regex"]}
    msg = "invalid header match type"
    raise RolloutError(msg, reason=NOT_NAMED)


def remove_managed_rules(route: Fields, rollout: Fields, *, version: str = LATEST_GATEWAYAPI) -> dict[str, Any]:
    """The route without managed rules, a user's own canary-only rules included."""
    return without_rules(route, lambda rule: is_managed(rollout, rule, version=version))


def _is_named(rule: Fields, base: str) -> bool:
    name = str(rule.get("name") or "")
    return name == base or (name.startswith(f"{base}-") and name[len(base) + 1 :].isdigit())


def without_rules(route: Fields, gone: Any) -> dict[str, Any]:
    """A copy of the route without the rules for which `gone(rule)` holds."""
    written: dict[str, Any] = copied(dict(route))
    if (written.get("spec") or {}).get("rules"):
        written["spec"]["rules"] = [rule for rule in written["spec"]["rules"] if not gone(rule)]
    return written


def each_route(
    rollout: Fields, docs: Iterable[Fields], *, version: str = LATEST_GATEWAYAPI
) -> Iterator[tuple[Target, Fields]]:
    """The configured routes in the plugin's order with their objects; raises RolloutError at the first missing one."""
    known = list(docs)
    found = targets(rollout, known, version=version)
    if not found:
        raise none_configured()
    yield from _objects(found, known)


def header_routes(
    rollout: Fields, docs: Iterable[Fields], *, version: str = LATEST_GATEWAYAPI
) -> Iterator[tuple[Target, Fields]]:
    """Those of `each_route` that setHeaderRoute rules are put into; a missing route of the others is no error here.

    Source: plugin.go SetHeaderRoute, RemoveManagedRoutes (a route without useHeaderRoutes is not even read).
    """
    known = list(docs)
    found = targets(rollout, known, version=version)
    yield from _objects([target for target in found if target.header_routes and target.kind.has_managed], known)


def _objects(found: Iterable[Target], docs: list[Fields]) -> Iterator[tuple[Target, Fields]]:
    for target in found:
        doc = next((doc for doc in docs if _is_target(doc, target)), None)
        if doc is None:
            raise missing(target)
        yield target, doc
