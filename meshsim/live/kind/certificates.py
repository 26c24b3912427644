"""One certificate authority for each root of trust, one intermediate for each cluster, made with the user's openssl.

Istio takes an intermediate from the Secret `cacerts` with the keys ca-cert.pem, ca-key.pem, root-cert.pem and
cert-chain.pem (istio.io, Plug in CA Certificates). Clusters of one root can connect, those of two cannot.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from meshsim.live.kind.places import Place
from meshsim.live.kind.steps import Filled, Run, Step, Write, work
from meshsim.mesh.mesh import SYSTEM_NAMESPACE

DAYS: Final = "365"
_CONFIG: Final = """\
[req]
prompt = no
distinguished_name = name
x509_extensions = authority

[name]
O = meshsim
CN = {name}

[authority]
basicConstraints = critical, CA:TRUE{most}
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
"""


def certificates(places: Sequence[Place]) -> Iterator[Step]:
    """Roots, then an intermediate and its Secret in each cluster."""
    roots: Mapping[str, str] = {root: f"root{i}" for i, root in enumerate(dict.fromkeys(_roots(places)), 1)}
    for root, name in roots.items():
        yield Step(
            name=f"ca-{name}",
            title=f"certificate authority {root}",
            commands=(
                Write(name=f"ca/{name}.cnf", text=_CONFIG.format(name=f"{name} of meshsim", most="")),
                Run(words=_root(name)),
            ),
        )
    for place in places:
        yield _intermediate(place, roots[place.cluster.root.value])


def _roots(places: Sequence[Place]) -> Iterator[str]:
    return (place.cluster.root.value for place in places)


def _root(name: str) -> tuple[str, ...]:
    made = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha256", "-days", DAYS)
    files = ("-keyout", work(f"ca/{name}-key.pem"), "-out", work(f"ca/{name}-cert.pem"))
    return (*made, "-config", work(f"ca/{name}.cnf"), *files)


def _intermediate(place: Place, root: str) -> Step:
    def file(name: str) -> Filled:
        return work(place.file(name))

    request = ("openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-config", file("ca.cnf"))
    sign = ("openssl", "x509", "-req", "-sha256", "-days", DAYS, "-in", file("ca.csr"))
    by = ("-CA", work(f"ca/{root}-cert.pem"), "-CAkey", work(f"ca/{root}-key.pem"), "-CAcreateserial")
    to = ("-extfile", file("ca.cnf"), "-extensions", "authority", "-out", file("ca-cert.pem"))
    keys = {
        "ca-cert.pem": file("ca-cert.pem"),
        "ca-key.pem": file("ca-key.pem"),
        "root-cert.pem": work(f"ca/{root}-cert.pem"),
        "cert-chain.pem": file("cert-chain.pem"),
    }
    given = tuple(Filled(f"--from-file={key}={path}") for key, path in keys.items())
    secret = (
        "create",
        "secret",
        "generic",
        "cacerts",
        "-n",
        SYSTEM_NAMESPACE,
        *given,
        "--dry-run=client",
        "-o",
        "yaml",
    )
    return Step(
        name=f"cacerts-{place.kind}",
        title=f"{place.name}: istio-system, and a certificate authority of its own under {place.cluster.root.value}",
        commands=(
            Write(name=place.file("ca.cnf"), text=_CONFIG.format(name=place.kind, most=", pathlen:0")),
            Run(words=(*request, "-keyout", file("ca-key.pem"), "-out", file("ca.csr"))),
            Run(words=(*sign, *by, *to)),
            Run(words=("cat", file("ca-cert.pem"), work(f"ca/{root}-cert.pem")), out=file("cert-chain.pem")),
            Write(name=place.file("istio-system.yaml"), text=_namespace(place)),
            Run(words=place.kubectl("apply", "-f", file("istio-system.yaml"))),
            Run(words=place.kubectl(*secret), out=file("cacerts.yaml")),
            Run(words=place.kubectl("apply", "-f", file("cacerts.yaml"))),
        ),
        why=("The label says which network the cluster is on; istiod and ztunnel must agree with it.",),
    )


def _namespace(place: Place) -> str:
    from meshsim.live.kind.clusters import yaml_text

    described = place.cluster.namespace(SYSTEM_NAMESPACE)
    labels = dict(described.labels) if described is not None else {}
    labels["topology.istio.io/network"] = place.cluster.network.value
    annotations = dict(described.annotations) if described is not None else {}
    metadata = {"name": SYSTEM_NAMESPACE, "labels": labels, **({"annotations": annotations} if annotations else {})}
    return yaml_text([{"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}])
