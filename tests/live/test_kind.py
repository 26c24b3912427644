"""Playing a scenario on kind clusters: objects, entries, moments, addresses, and the script's safety."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from meshsim.live.commands import Ran, run
from meshsim.live.kind import standin
from meshsim.live.kind.certificates import certificates
from meshsim.live.kind.moments import Moment, held, over_time
from meshsim.live.kind.objects import applied, resource
from meshsim.live.kind.places import Place, Settings, places
from meshsim.live.kind.plan import plan
from meshsim.live.kind.play import Player
from meshsim.live.kind.script import digest, script
from meshsim.live.kind.steps import Claim, Filled, Observe, Plan, Run, Write, runs
from meshsim.model.errors import UsageError
from meshsim.session import Session, load

SCENARIOS = Path(__file__).parents[2] / "scenarios"
SETTINGS = Settings(istioctl={}, stand_in=True)
ROLLOUT = """
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web, namespace: shop}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "registry.example.com/web:1", ports: [{containerPort: 8080}]}]}
  strategy:
    canary:
      stableService: web-stable
      canaryService: web-canary
      trafficRouting: {plugins: {argoproj-labs/gatewayAPI: {httpRoute: web, namespace: shop}}}
      steps: [{setWeight: 25}, {pause: {}}, {setWeight: 50}, {pause: {duration: 60s}}]
"""
REST = """
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient, istio.io/use-waypoint: waypoint}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, clusterIP: 10.0.0.7, ports: [{name: http, port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: web-stable, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: web-canary, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 8080}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: web}]
  rules: [{backendRefs: [{name: web-stable, port: 8080}, {name: web-canary, port: 8080}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: waypoint, namespace: shop}
spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: curl, namespace: shop, uid: 1b6f, managedFields: [{manager: kubectl}]}
spec:
  replicas: 2
  selector: {matchLabels: {app: curl}}
  template:
    metadata: {labels: {app: curl}}
    spec: {serviceAccountName: caller, containers: [{name: c, image: curlimages/curl:8.11.1, command: [sleep, "9"]}]}
"""


def scenario(tmp_path: Path, *timeline: str, more: str = "", manifests: str = "") -> Session:
    (tmp_path / "objects.yaml").write_text(f"{ROLLOUT}---{REST}{manifests}", encoding="utf-8")
    lines = [
        "apiVersion: meshsim/v1",
        "kind: Scenario",
        "dialect: istio/1.30",
        "clusters: {east: {network: n1, manifests: [objects.yaml], istiod: {env: {FLAG: 'yes'}}}}",
        "calls: [{from: east/shop/curl, to: 'web.shop.svc.cluster.local:8080'}]",
        *(["timeline:", *(f"  - {entry}" for entry in timeline)] if timeline else []),
        more,
    ]
    (tmp_path / "scenario.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return load(tmp_path)


def planned(session: Session, **changes: Any) -> Plan:
    from dataclasses import replace

    return plan(session, ["scenario.yaml"], replace(SETTINGS, **changes))


def place(session: Session) -> Place:
    return places(session.mesh, session.scenario, SETTINGS)[0]


def done(found: Plan, step: str) -> list[list[str]]:
    """What a step and its parts run, without what reaches the cluster."""
    return [
        [word for word in command.words if not word.startswith(("--kubeconfig=", "--context="))]
        for one in found.steps
        if one.name == step or one.name.startswith(f"{step}-")
        for command in one.commands
        if isinstance(command, Run)
    ]


def written(found: Plan, name: str) -> list[dict[str, Any]]:
    text = next(c.text for s in found.steps for c in s.commands if isinstance(c, Write) and c.name.endswith(name))
    return list(yaml.safe_load_all(text))


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("do: promote, rollout: east/shop/web", "kubectl argo rollouts promote web -n shop"),
        ("do: promote, rollout: east/shop/web, full: true", "kubectl argo rollouts promote web --full -n shop"),
        ("do: abort, rollout: east/shop/web", "kubectl argo rollouts abort web -n shop"),
        ("do: retry, rollout: east/shop/web", "kubectl argo rollouts retry rollout web -n shop"),
        ("do: pause, rollout: east/shop/web", "kubectl argo rollouts pause web -n shop"),
        (
            "do: resume, rollout: east/shop/web",
            'kubectl patch rollouts.argoproj.io web -n shop --type=merge -p {"spec":{"paused":false}}',
        ),
        (
            "do: set-image, rollout: east/shop/web, container: web, image: r/web:2",
            "kubectl argo rollouts set image web web=r/web:2 -n shop",
        ),
        (
            "do: set-image, workload: east/shop/curl, container: c, image: r/curl:2",
            "kubectl set image deployments.apps/curl c=r/curl:2 -n shop",
        ),
        (
            "do: scale, rollout: east/shop/web, replicas: 6",
            "kubectl scale rollouts.argoproj.io/web --replicas=6 -n shop",
        ),
        (
            "do: scale, workload: east/shop/curl, replicas: 0",
            "kubectl scale deployments.apps/curl --replicas=0 -n shop",
        ),
        (
            "do: label, object: east/Namespace/shop, labels: {istio.io/use-waypoint: null, a: b}",
            "kubectl label namespaces shop --overwrite istio.io/use-waypoint- a=b",
        ),
        (
            "do: unlabel, object: east/Namespace/shop, labels: [istio.io/use-waypoint]",
            "kubectl label namespaces shop --overwrite istio.io/use-waypoint-",
        ),
        (
            "do: annotate, object: east/Service/shop/web, annotations: {a: b}",
            "kubectl annotate services web -n shop --overwrite a=b",
        ),
        (
            "do: patch, object: east/HTTPRoute/shop/web, patch: {spec: {a: b}}",
            'kubectl patch httproutes.gateway.networking.k8s.io web -n shop --type=merge -p {"spec":{"a":"b"}}',
        ),
        (
            "do: delete, object: east/Gateway/shop/waypoint",
            "kubectl delete gateways.gateway.networking.k8s.io waypoint -n shop --ignore-not-found --timeout=120s",
        ),
        (
            "do: fail, target: 'waypoint:east/shop/waypoint'",
            "kubectl scale deployments.apps/waypoint --replicas=0 -n shop",
        ),
        ("do: fail, target: east/shop/curl", "kubectl scale deployments.apps/curl --replicas=0 -n shop"),
        ("do: fail, target: 'cluster:east'", "docker pause meshsim-east-control-plane"),
        (
            "do: set-env, cluster: east, component: istiod, env: {FLAG: 'no'}",
            "kubectl set env deployment/istiod -n istio-system FLAG=no",
        ),
    ],
)
def test_an_entry_is_a_call_of_the_users_programs(tmp_path: Path, entry: str, words: str):
    found = planned(scenario(tmp_path, f"{{at: 10s, {entry}}}"), stand_in=False)
    assert " ".join(done(found, "entry-01")[0]) == words
    assert not any("not replayed" in note for note in found.notes)


def test_a_recovered_deployment_has_its_replicas_again(tmp_path: Path):
    entries = ("{at: 10s, do: fail, target: east/shop/curl}", "{at: 60s, do: recover, target: east/shop/curl}")
    found = planned(scenario(tmp_path, *entries))
    assert done(found, "entry-02")[0][2:4] == ["deployments.apps/curl", "--replicas=2"]


def test_a_rollouts_pods_fail_by_finding_no_node(tmp_path: Path):
    found = planned(scenario(tmp_path, "{at: 10s, do: fail, target: east/shop/web}"))
    assert done(found, "entry-01") == [
        ["kubectl", "cordon", "--selector=kubernetes.io/os=linux"],
        ["kubectl", "delete", "pods", "-n", "shop", "--timeout=120s", "--selector=app=web"],
    ]


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        (["{at: 10s, do: fail, target: east/shop/web, pods: 2}"], "cannot be chosen on a real cluster"),
        (
            [
                (
                    "{at: 5s, do: patch, object: east/Rollout/shop/web, patch: {spec: {strategy: {canary: {steps: "
                    "[{setWeight: 50}, {analysis: {templates: [{templateName: t}]}}]}}}}}"
                ),
                "{at: 10s, do: analysis-result, rollout: east/shop/web, step: 1, result: failed}",
            ],
            "gives its own result",
        ),
        (["{at: 10s, do: set-version, cluster: east, component: istiod, version: '1.31'}"], "takes another istioctl"),
        (
            [
                "{at: 10s, do: fail, target: east/shop/web}",
                "{at: 60s, do: set-image, rollout: east/shop/web, container: web, image: r/web:2}",
            ],
            "nothing new can start in east while its pods fail",
        ),
    ],
)
def test_what_no_cluster_can_be_made_to_do_ends_the_replay_with_its_line(tmp_path: Path, entries: list[str], why: str):
    after = "{at: 99s, do: annotate, object: east/Service/shop/web, annotations: {a: b}}"
    found = planned(scenario(tmp_path, *entries, after))
    note = next(note for note in found.notes if "not replayed, nor what follows" in note)
    assert why in note
    assert "scenario.yaml:7" in note if len(entries) == 1 else "scenario.yaml:8" in note
    assert done(found, f"entry-{len(entries) + 1:02}") == []


def test_the_guides_moments_are_those_at_rest():
    """argo.md, the guide's timeline: v2 is set and waits at the first pause with 0 pods of it; promoted, both run after
    10 s; promoted again, v1's pod goes 30 s later."""
    found = list(over_time(load(SCENARIOS / "guide-gateway-api")))
    assert [(moment.at, *moment.shows.values()) for moment in found] == [
        (0.0, "Healthy step 3 pods 1/1"),
        (60.0, "Paused step 0 pods 1/1"),
        (130.0, "Paused step 2 pods 2/2"),
        (270.0, "Healthy step 3 pods 1/1"),
    ]


def test_a_moment_that_the_next_entry_cuts_off_is_not_observed(tmp_path: Path):
    """A canary pod takes 10 s to be ready; at 5 s nothing has come to rest."""
    entries = (
        "{at: 10s, do: set-image, rollout: east/shop/web, container: web, image: r/web:2}",
        "{at: 15s, do: abort, rollout: east/shop/web}",
    )
    found: list[Moment] = list(over_time(scenario(tmp_path, *entries)))
    assert [(moment.at is None, moment.passes) for moment in found] == [(False, 0.0), (True, 5.0), (False, 0.0)]


def test_a_weight_without_a_pause_is_given_one_to_be_held_at(tmp_path: Path):
    session = scenario(tmp_path)
    (state,) = session.situation(0.0, "settle").deployed.states.values()
    found = held(state, {25, 50})
    assert found.steps == (
        {"setWeight": 25},
        {"pause": {}},
        {"setWeight": 50},
        {"pause": {}},
        {"pause": {"duration": "60s"}},
    )
    assert (found.rests, dict(found.weights)) == ((1, 3), {25: 0, 50: 1})
    plan_ = planned(session)
    (rollout,) = [d for d in written(plan_, "workloads.yaml") if d["kind"] == "Rollout"]
    assert rollout["spec"]["strategy"]["canary"]["steps"][3] == {"pause": {}}
    assert done(plan_, "hold-50")[0][:5] == ["kubectl", "argo", "rollouts", "promote", "web"]
    assert [s.name for s in plan_.steps if s.name.startswith("hold-50")] == ["hold-50", "hold-50-2"]


def test_objects_are_applied_as_a_user_wrote_them(tmp_path: Path):
    found = applied(place(scenario(tmp_path)))
    (curl,) = [d for d in found.workloads if d["metadata"]["name"] == "curl"]
    assert curl["metadata"] == {"name": "curl", "namespace": "shop"}
    (web,) = [d for d in found.rest if d["metadata"]["name"] == "web" and d["kind"] == "Service"]
    assert "clusterIP" not in web["spec"]
    assert [d["metadata"]["name"] for d in found.first] == ["shop", "caller"]


OTHERS = """---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: autogen.shop.web, namespace: istio-system}
spec: {hosts: [web.shop.mesh.internal]}
---
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {topology.kubernetes.io/zone: z1}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: istiod, namespace: istio-system, labels: {app: istiod}}
spec: {selector: {matchLabels: {app: istiod}}, template: {metadata: {labels: {app: istiod}}, spec: {containers: []}}}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, ownerReferences: [{kind: ReplicaSet, name: web}]}
spec: {containers: [{name: web, image: r/web:1}]}
---
apiVersion: example.com/v1
kind: Widget
metadata: {name: w, namespace: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: waypoint, namespace: shop}
spec: {replicas: 0, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: []}}}
"""


def test_what_controllers_and_the_installation_write_is_theirs(tmp_path: Path):
    session = scenario(tmp_path, manifests=OTHERS)
    found = applied(place(session))
    names = {(d["kind"], d["metadata"]["name"]) for d in (*found.first, *found.rest, *found.workloads)}
    assert {kind for kind, _ in names} & {"Node", "ServiceEntry", "Pod", "Widget"} == set()
    assert {("Deployment", "istiod"), ("Deployment", "waypoint")} & names == set()
    assert found.left == ("east: 1 Widget.example.com: nothing on the kind cluster serves this kind",)
    assert dict(found.scaled) == {("shop", "waypoint"): 0}
    (config,) = written(planned(session), "kind.yaml")
    assert config["nodes"][1] == {"role": "worker", "labels": {"topology.kubernetes.io/zone": "z1"}}


CAPTURED = """---
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop, annotations: {ambient.istio.io/redirection: enabled}}
spec: {containers: [{name: a, image: r/a:1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: shop}
spec:
  containers: [{name: b, image: r/b:1}, {name: istio-proxy, image: r/proxyv2:1}]
  initContainers: [{name: istio-init, image: i}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ingress, namespace: shop}
spec:
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec: {containers: [{name: istio-proxy, image: auto}]}
"""


def test_pods_ask_for_the_proxies_that_they_had(tmp_path: Path):
    found = written(planned(scenario(tmp_path, manifests=CAPTURED), stand_in=False), "workloads.yaml")
    by_name = {d["metadata"]["name"]: d for d in found}
    assert by_name["a"]["metadata"]["labels"] == {"istio.io/dataplane-mode": "ambient"}
    assert by_name["a"]["metadata"]["annotations"] == {}
    assert by_name["b"]["metadata"]["labels"] == {"sidecar.istio.io/inject": "true"}
    assert [c["name"] for c in by_name["b"]["spec"]["containers"]] == ["b"]


def test_a_gateway_of_ones_own_is_no_stand_in(tmp_path: Path):
    found = written(planned(scenario(tmp_path, manifests=CAPTURED)), "workloads.yaml")
    (ingress,) = [d for d in found if d["metadata"]["name"] == "ingress"]
    assert ingress["spec"]["template"]["spec"]["containers"] == [{"name": "istio-proxy", "image": "auto"}]


def test_somebody_stands_for_the_clients_of_a_gateway():
    found = planned(load(SCENARIOS / "guide-virtualservice"))
    observe = next(c for s in found.steps for c in s.commands if isinstance(c, Observe))
    caller = "ingress:cluster1/default/helloworld-ingress"
    assert observe.through == ((caller, "cluster1/meshsim-outside/curl", "GW1"),)
    words = found.observing(observe)
    assert words[words.index("--through") + 1] == f"{caller}=cluster1/meshsim-outside/curl@$GW1"
    (asked,) = done(found, "observe-01")
    assert asked[:5] == ["kubectl", "get", "services", "istio-ingressgateway", "-n"]
    (namespace, _client) = written(found, "outside.yaml")
    assert namespace["metadata"]["labels"] == {"istio.io/dataplane-mode": "none"}


def test_a_drained_cluster_is_drained():
    found = planned(load(SCENARIOS / "drained-cluster"))
    (texts,) = [
        c.text
        for s in found.steps
        for c in s.commands
        if isinstance(c, Write) and c.name.endswith("cluster1/eastwest.yaml")
    ]
    (_space, gateway) = yaml.safe_load_all(texts)
    assert gateway["metadata"]["annotations"] == {"solo.io/draining-weight": "100"}


def test_requests_that_are_too_few_are_said_before_anything_is_created():
    """Weight 25 against 1 of 5 pods takes 1,509 requests (README's table: n for 25 % against 20 %)."""
    notes = planned(load(SCENARIOS / "istio-waypoint-in-the-rollouts-cluster")).notes
    said = "--requests 1509 tells 25% from 20% (cluster2/shop/web → orders.shop.svc.cluster.local:8080 at step:1)"
    assert any(note == f"100 requests leave 1 check open: {said}" for note in notes)
    masked = planned(load(SCENARIOS / "no-waypoint-masked")).notes
    assert any("no number of requests tells applied from bypassed in" in note for note in masked)


def test_gateways_of_other_controllers_are_not_called_through():
    found = planned(load(SCENARIOS / "ingress-by-kgateway"))
    assert any("nobody here can stand for this caller" in note for note in found.notes)


def test_istios_installation_has_the_scenarios_settings(tmp_path: Path):
    (operator,) = written(planned(scenario(tmp_path)), "istio.yaml")
    assert operator["spec"]["profile"] == "ambient"
    assert operator["spec"]["components"]["pilot"]["k8s"]["env"] == [{"name": "FLAG", "value": "yes"}]
    shared = operator["spec"]["values"]["global"]
    assert (shared["network"], shared["multiCluster"]) == ("n1", {"clusterName": "east"})


def test_a_ztunnel_that_believes_another_network_is_given_it():
    found = planned(load(SCENARIOS / "ztunnel-network-mismatch"))
    texts = [c.text for s in found.steps for c in s.commands if isinstance(c, Write) and c.name.endswith("istio.yaml")]
    own = [yaml.safe_load(text)["spec"]["values"].get("ztunnel") for text in texts]
    assert [o for o in own if o] == [{"network": "net-two"}] or any(o and "network" in o for o in own)


def test_clusters_of_one_network_learn_the_way_to_each_others_pods():
    found = planned(load(SCENARIOS / "flat-global-hostname"))
    routes = [words for words in runs(found.steps) if "route" in words]
    assert [(words[2], words[6], words[8]) for words in routes] == [
        ("meshsim-cluster1-control-plane", "10.18.0.0/16", "$NODE2"),
        ("meshsim-cluster2-control-plane", "10.16.0.0/16", "$NODE1"),
    ]
    apart = planned(load(SCENARIOS / "guide-gateway-api"))
    assert [words for words in runs(apart.steps) if "route" in words] == []


def test_helm_installs_a_version_that_is_named(tmp_path: Path):
    session = scenario(tmp_path)
    assert "--istio-version" in planned(session, install="helm").lacking[0]
    found = planned(session, install="helm", istio_version="1.30.1")
    charts = [words[4] for words in runs(found.steps) if words[0] == "helm"]
    assert (found.lacking, charts) == ((), ["base", "istiod", "cni", "ztunnel"])
    assert "istioctl" in found.programs  # for remote secrets


def test_a_stand_in_keeps_what_services_see():
    document = {
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "volumes": [{"name": "v"}],
                    "containers": [
                        {"name": "web", "image": "r/web:1", "ports": [{"name": "http", "containerPort": 8080}]}
                    ],
                },
            }
        },
    }
    template = standin.with_stand_ins(document, calls=True)["spec"]["template"]
    assert template["metadata"] == {"labels": {"app": "web"}, "annotations": {"image.meshsim.dev/web": "r/web:1"}}
    server, caller = template["spec"]["containers"]
    assert (server["ports"], server["args"]) == ([{"name": "http", "containerPort": 8080}], ["--port=8080"])
    assert caller["name"] == standin.CONTAINER
    assert "volumes" not in template["spec"]


@pytest.mark.parametrize(
    ("api_version", "kind", "name"),
    [
        ("v1", "Service", "services"),
        ("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes.gateway.networking.k8s.io"),
        ("networking.istio.io/v1", "Gateway.networking.istio.io", "gateways.networking.istio.io"),
        ("security.istio.io/v1", "AuthorizationPolicy", "authorizationpolicies.security.istio.io"),
        ("gateway.networking.k8s.io/v1", "GatewayClass", "gatewayclasses.gateway.networking.k8s.io"),
        ("v1", "Endpoints", "endpoints"),
    ],
)
def test_kinds_in_kubectls_words(api_version: str, kind: str, name: str):
    assert resource(api_version, kind) == name


@pytest.mark.parametrize(
    "changes", [{"prefix": "-rf"}, {"prefix": "a b"}, {"subnet": "172.30.0.0/24"}, {"subnet": "10.20.0.0/16"}]
)
def test_names_and_addresses_that_cannot_be(tmp_path: Path, changes: Mapping[str, Any]):
    with pytest.raises(UsageError):
        planned(scenario(tmp_path), **changes)


def test_addresses_do_not_overlap():
    from ipaddress import ip_network

    found = planned(load(SCENARIOS / "guide-gateway-api"))
    texts = [c.text for s in found.steps for c in s.commands if isinstance(c, Write) and c.name.endswith("kind.yaml")]
    nets = [ip_network(yaml.safe_load(t)["networking"][k]) for t in texts for k in ("podSubnet", "serviceSubnet")]
    nets.append(ip_network("172.30.0.0/16"))
    assert not any(a.overlaps(b) for i, a in enumerate(nets) for b in nets[i + 1 :])


# the script

WITH_SCENARIO = sorted(path.parent.name for path in SCENARIOS.glob("*/scenario.yaml"))


@pytest.mark.parametrize("name", WITH_SCENARIO)
def test_every_shipped_scenario_has_a_script_that_bash_reads(name: str):
    session = load(SCENARIOS / name)
    text = script(plan(session, [f"scenarios/{name}"], SETTINGS), "meshsim-kind")
    ran = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    again = script(plan(load(SCENARIOS / name), [f"scenarios/{name}"], SETTINGS), "meshsim-kind")
    assert text == again


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="needs shellcheck")
@pytest.mark.parametrize("name", ["guide-virtualservice", "time-outages", "istio-flat-network"])
def test_shellcheck_finds_nothing_in_the_script(name: str):
    text = script(planned(load(SCENARIOS / name)), "a directory")
    ran = subprocess.run(["shellcheck", "-S", "warning", "-"], input=text, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "")


HOSTILE = """---
apiVersion: v1
kind: ConfigMap
metadata:
  name: hostile
  namespace: shop
  annotations: {x: "$(touch pwned) `touch pwned` $WORK"}
data:
  a: |
    EOF
    touch pwned
  b: "\\nEOF\\ntouch pwned\\n"
"""


def test_nothing_in_a_manifest_is_run_by_the_script(tmp_path: Path):
    session = scenario(
        tmp_path,
        "{at: 10s, do: label, object: east/Service/shop/web, labels: {a: b}}",
        '{at: 60s, do: annotate, object: east/Service/shop/web, annotations: {a: "\'; touch pwned; $(id >pwned)\\n"}}',
        manifests=HOSTILE,
    )
    found = planned(session)
    home = tmp_path / "home"
    (home / "bin").mkdir(parents=True)
    for program in (*found.programs, "meshsim", "sleep"):
        (home / "bin" / program).write_text("#!/bin/sh\necho 1.30.1 Healthy\n", encoding="utf-8")
        (home / "bin" / program).chmod(0o755)
    made = '#!/bin/sh\nwhile [ $# -gt 1 ]; do case $1 in -out|-keyout) echo k >"$2" ;; esac; shift; done\n'
    (home / "bin" / "openssl").write_text(made, encoding="utf-8")
    text = script(found, "work").replace("await 300", "true")
    subprocess.run(
        ["bash", "-c", text], cwd=home, env={"PATH": f"{home / 'bin'}:/usr/bin:/bin"}, capture_output=True, check=False
    )
    assert (home / "work" / "meshsim-east" / "objects.yaml").exists()
    assert not list(home.rglob("pwned"))
    objects = list(yaml.safe_load_all((home / "work" / "meshsim-east" / "objects.yaml").read_text(encoding="utf-8")))
    assert written(found, "objects.yaml") == objects


def test_a_filled_text_replaces_its_own_variables_alone():
    text = Filled("$WORK/a $(x) $HOME $WORKER $NODE12")
    assert text.with_values({"WORK": "/w", "NODE12": "1.2.3.4"}) == "/w/a $(x) $HOME $WORKER 1.2.3.4"


def test_every_name_that_is_created_is_claimed_first():
    found = planned(load(SCENARIOS / "guide-gateway-api"))
    claimed = {c.name for s in found.steps for c in s.commands if isinstance(c, Claim)}
    created = {words[-1] for words in runs(found.steps) if words[:3] == ("docker", "network", "create")}
    created |= {
        words[words.index("--name") + 1] for words in runs(found.steps) if "create" in words and "kind" in words
    }
    assert claimed == {"meshsim", "meshsim-cluster1", "meshsim-cluster2"} == created


def test_the_digest_tells_plans_apart(tmp_path: Path):
    session = scenario(tmp_path)
    assert digest(planned(session)) == digest(planned(session))
    assert digest(planned(session)) != digest(planned(session, requests=7))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the user's openssl")
def test_a_clusters_authority_is_signed_by_its_root(tmp_path: Path):
    session = scenario(tmp_path)
    steps = tuple(certificates(places(session.mesh, session.scenario, SETTINGS)))
    found = Plan(scenario="x", source=("x",), prefix="x", programs=(), steps=steps, contexts={})

    def real_openssl(command: Any, *, timeout: float) -> Ran:
        return run(command, timeout=timeout) if command[0] in {"openssl", "cat"} else Ran(0, b"a: b\n", "")

    player = Player(
        found,
        tmp_path / "work",
        real_openssl,
        observe=lambda _command, _file, _through: None,
        compare=lambda _command, _file: 0,
        told=lambda _: None,
        clock=lambda: 0.0,
        sleep=lambda _: None,
    )
    assert player.play(keep=True) == 0
    work = tmp_path / "work"
    verified = run(
        ["openssl", "verify", "-CAfile", str(work / "ca/root1-cert.pem"), str(work / "meshsim-east/ca-cert.pem")]
    )
    assert (verified.code, verified.out.decode().strip().endswith("OK")) == (0, True)
    said = run(["openssl", "x509", "-noout", "-text", "-in", str(work / "meshsim-east/ca-cert.pem")]).out.decode()
    assert "CA:TRUE, pathlen:0" in said
    assert (work / "meshsim-east/ca-key.pem").stat().st_mode & 0o077 == 0


def test_an_observation_is_said_with_its_moment():
    found = planned(load(SCENARIOS / "guide-gateway-api"))
    words = found.observing(Observe(name="o.json", at=130.0))
    assert words[:4] == ["meshsim", "live", "observe", "scenario.yaml"]
    assert words[words.index("--at") + 1] == "130s"
