"""kind clusters on a Docker network of their own, load-balancer addresses, and routes where networks are flat.

Load-balancer addresses come from MetalLB: it runs inside the clusters and is what Istio's own tests use on kind
(istio common/scripts/kind_provisioner.sh). cloud-provider-kind would be a program to keep running beside them.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import yaml

from meshsim.live.kind.places import KUBECONFIG, Place, Settings, by_network
from meshsim.live.kind.steps import Check, Claim, Filled, Run, Step, Write, work
from meshsim.manifests.manifest import Manifest

METALLB: Final = "v0.15.3"
METALLB_URL: Final = f"https://raw.githubusercontent.com/metallb/metallb/{METALLB}/config/manifests/metallb-native.yaml"
CLUSTER: Final = "kind cluster"
NETWORK: Final = "Docker network"
"""What is created outside of clusters, in the words of the record: it goes in this order."""
_ZONES: Final = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone")


def programs(settings: Settings) -> tuple[str, ...]:
    """What creating clusters takes."""
    return ("docker", "kind", "kubectl", "openssl", *(["helm"] if settings.install == "helm" else []))


def checks() -> Step:
    """Docker must answer before anything else is tried."""
    engine = Check(
        words=("docker", "version", "--format", "{{.Server.Version}}"),
        wanted="[0-9]*",
        complaint="the Docker engine does not answer: start it, and look at `docker info`",
    )
    return Step(name="docker", title="is Docker there?", commands=(engine,), always=True)


def create(places: Sequence[Place], settings: Settings) -> Iterator[Step]:
    """The Docker network, the clusters, their load balancers, and the routes of flat networks."""
    yield _network(settings)
    for place in places:
        yield _cluster(place, settings)
    for place in places:
        yield _balancer(place, settings)
    for network, members in by_network(places).items():
        if len(members) > 1:
            yield _flat(network, members)


def _network(settings: Settings) -> Step:
    start, rest = settings.subnet.split("/")[0], "17"
    create = ("docker", "network", "create", "--driver=bridge", f"--subnet={settings.subnet}")
    claim = Claim(
        name=settings.prefix,
        listing=("docker", "network", "ls", "--format", "{{.Name}}"),
        undo=deletion(NETWORK, settings.prefix),
        what=NETWORK,
    )
    masquerade = "--opt=com.docker.network.bridge.enable_ip_masquerade=true"
    return Step(
        name="network",
        title=f"Docker network {settings.prefix} ({settings.subnet})",
        commands=(claim, Run(words=(*create, f"--ip-range={start}/{rest}", masquerade, settings.prefix))),
        why=(
            "Nodes of all clusters are on one Docker network, as containers of two networks cannot reach each other.",
            "The meshes' networks stay apart all the same: pods' addresses are routed inside a cluster only.",
            "Nodes get addresses from the lower half, load balancers from the upper half.",
        ),
    )


def _cluster(place: Place, settings: Settings) -> Step:
    image = ("--image", settings.image) if settings.image else ()
    config = place.file("kind.yaml")
    create = ("env", f"KIND_EXPERIMENTAL_DOCKER_NETWORK={settings.prefix}", "kind", "create", "cluster")
    where = ("--name", place.kind, "--kubeconfig", KUBECONFIG, "--config", work(config))
    claim = Claim(
        name=place.kind,
        listing=("kind", "get", "clusters"),
        undo=deletion(CLUSTER, place.kind),
        what=CLUSTER,
    )
    return Step(
        name=f"cluster-{place.kind}",
        title=f"kind cluster {place.kind} for {place.name}",
        commands=(
            Write(name=config, text=_yaml(_config(place))),
            claim,
            Run(words=(*create, *where, *image, "--wait", "180s"), limit=900),
        ),
    )


def _config(place: Place) -> dict[str, Any]:
    own = _locality(place.cluster.region, place.cluster.zone)
    nodes: list[dict[str, Any]] = [{"role": "control-plane", **({"labels": own} if own else {})}]
    nodes += [{"role": "worker", **_labels(node)} for node in place.cluster.of("Node")]
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": {"podSubnet": place.pods, "serviceSubnet": place.services},
        "nodes": nodes,
    }


def _locality(region: str, zone: str) -> dict[str, str]:
    return {key: value for key, value in zip(_ZONES, (region, zone), strict=True) if value}


def _labels(node: Manifest) -> dict[str, Any]:
    found = {key: node.labels[key] for key in _ZONES if node.labels.get(key)}
    return {"labels": found} if found else {}


def worker(place: Place, node: str) -> str:
    """The container that stands for a Node of the manifests; "" where these have none of that name.

    kind names workers `NAME-worker`, `NAME-worker2`, … in the order of its configuration.
    """
    names = [manifest.name for manifest in place.cluster.of("Node")]
    if node not in names:
        return ""
    number = names.index(node) + 1
    return f"{place.kind}-worker{number if number > 1 else ''}"


def _balancer(place: Place, settings: Settings) -> Step:
    pool = {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": settings.prefix, "namespace": "metallb-system"},
        "spec": {"addresses": [place.pool]},
    }
    advertisement = {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "L2Advertisement",
        "metadata": {"name": settings.prefix, "namespace": "metallb-system"},
        "spec": {"ipAddressPools": [settings.prefix]},
    }
    file = place.file("metallb.yaml")
    status = place.kubectl("rollout", "status", "deployment/controller", "-n", "metallb-system", "--timeout=180s")
    speakers = place.kubectl("rollout", "status", "daemonset/speaker", "-n", "metallb-system", "--timeout=180s")
    return Step(
        name=f"load-balancer-{place.kind}",
        title=f"{place.name}: load-balancer addresses {place.pool}",
        commands=(
            Run(words=place.kubectl("apply", "-f", METALLB_URL), retry=60),
            Run(words=status, limit=200),
            Run(words=speakers, limit=200),
            Write(name=file, text=_yaml(pool, advertisement)),
            Run(words=place.kubectl("apply", "-f", work(file)), retry=90),
        ),
        why=("MetalLB's webhook needs a moment after its pods are ready, hence the repetition.",),
    )


def _flat(network: str, members: Sequence[Place]) -> Step:
    commands: list[Run] = []
    for place in members:
        shown = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        commands.append(Run(words=("docker", "inspect", "--format", shown, place.node), var=f"NODE{place.number}"))
    for place in members:
        for other in members:
            if other is not place:
                via = Filled(f"$NODE{other.number}")
                for container in (place.node, *_workers(place)):
                    route = ("docker", "exec", container, "ip", "route", "replace", other.pods, "via", via)
                    commands.append(Run(words=route))
    return Step(
        name=f"flat-{_slug(network)}",
        title=f"network {network}: {', '.join(p.name for p in members)} reach each other's pods",
        commands=tuple(commands),
        why=("Each node learns the way to the other clusters' pods, as on one flat network.",),
    )


def _workers(place: Place) -> tuple[str, ...]:
    return tuple(worker(place, node.name) for node in place.cluster.of("Node"))


def _slug(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-." else "-" for c in text)


def deletion(what: str, name: str) -> tuple[str, ...]:
    """What takes away a thing that was claimed."""
    if what == CLUSTER:
        return ("kind", "delete", "cluster", "--name", name, "--kubeconfig", KUBECONFIG)
    return ("docker", "network", "rm", name)


def _yaml(*documents: Any) -> str:
    return yaml_text(documents)


def yaml_text(documents: Sequence[Any]) -> str:
    """Documents as YAML, in a fixed form: no anchors, and texts of several lines as such."""
    text: str = yaml.dump_all(
        documents, Dumper=_Dumper, sort_keys=False, default_flow_style=False, width=120, allow_unicode=True
    )
    return text


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value.rstrip("\n") and not any(line.endswith(" ") for line in value.split("\n")) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
