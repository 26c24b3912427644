"""Names of the field: objects, hosts, decision points, calls."""

from dataclasses import dataclass
from typing import final

CLUSTER_DOMAIN = "cluster.local"


@final
@dataclass(frozen=True, slots=True, order=True)
class ObjectKey:
    """One Kubernetes object inside a cluster. `kind` is bare, except `Gateway.networking.istio.io`
    (Istio's), which shares its bare name with the Gateway API's. `namespace` is "" for cluster-scoped kinds."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return "/".join(part for part in (self.kind, self.namespace, self.name) if part)


def subject(cluster: str, key: ObjectKey) -> str:
    """`cluster/Kind/namespace/name`, the contract's `object` notation."""
    return f"{cluster}/{key}"


def parsed_subject(text: str) -> tuple[str, ObjectKey]:
    """The cluster and the key of `subject`'s notation; without a namespace where it says none.

    >>> parsed_subject("east/HTTPRoute/shop/web") == ("east", ObjectKey("HTTPRoute", "shop", "web"))
    True
    """
    cluster, kind, *namespace, name = text.split("/")
    return cluster, ObjectKey(kind, "/".join(namespace), name)


def fqdn(name: str, namespace: str) -> str:
    """The cluster-local host name of a Service."""
    return f"{name}.{namespace}.svc.{CLUSTER_DOMAIN}"


def absolute_host(host: str, namespace: str) -> str:
    """A host as Istio reads it in `namespace`: a bare name is a Service there, a dotted one stands as it is.

    Source: istio pkg/config/model ResolveShortnameToFQDN.

    >>> absolute_host("helloworld", "default")
    'helloworld.default.svc.cluster.local'
    >>> absolute_host("helloworld.default.mesh.internal", "x")
    'helloworld.default.mesh.internal'
    """
    return host if "." in host or host.startswith("*") else fqdn(host, namespace)
