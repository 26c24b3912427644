"""The tables' own numbers reach Envoy's configuration; no Envoy takes part."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from live.one_gateway import GATEWAY, cluster, gateway_phase, hosts, split

pytest.importorskip("cryptography", reason="the lab's certificates need cryptography: pip install 'meshsim[live]'")

from meshsim.live import lab
from meshsim.live.lab.addresses import Addresses
from meshsim.live.lab.certificates import Authorities
from meshsim.live.lab.compile import Compiled, Visit, compile_lab
from meshsim.live.phase import Phase, located


def made(phase: Phase, directory: Path) -> Compiled:
    wanted = [
        Visit(
            client=one.client,
            host=one.call.target.host,
            ip=one.call.target.ip,
            port=one.call.target.port,
            authority=one.call.request.authority,
        )
        for one in located(phase)
    ]
    return compile_lab(phase.views, wanted, Addresses(16), Authorities(directory / "certificates"), directory)


def action(compiled: Compiled) -> dict[str, Any]:
    hosts_ = compiled.processes[GATEWAY].routes["ingress|app:80"]["virtual_hosts"]
    return hosts_[0]["routes"][0]["route"]


def test_weights_are_the_tables_own_and_zero_is_left_out(tmp_path: Path):
    both = (cluster("a", hosts("a", 1)), cluster("b", hosts("b", 1)), cluster("c", hosts("c", 1)))
    found = action(made(gateway_phase("p", split(a=30, b=0, c=10), both), tmp_path))["weighted_clusters"]["clusters"]
    assert found == [{"name": "a", "weight": 30}, {"name": "c", "weight": 10}]


def test_a_backend_that_does_not_exist_answers_with_its_status(tmp_path: Path):
    a = (cluster("a", hosts("a", 1)),)
    assert "cluster_not_found_response_code" not in action(made(gateway_phase("p", split(a=1, b=1), a), tmp_path))
    route = action(made(gateway_phase("p", split(a=1, b=1), a, missing={"b": 500}), tmp_path))
    assert route["cluster_not_found_response_code"] == "INTERNAL_SERVER_ERROR"


def test_health_priority_and_weight_of_a_host_reach_eds(tmp_path: Path):
    endpoints = (*hosts("a", 2, healthy=1), *hosts("b", 1, priority=1, weight=5))
    compiled = made(gateway_phase("p", split(a=1), (cluster("a", endpoints),)), tmp_path)
    near, far = compiled.processes[GATEWAY].endpoints["a"]["endpoints"]
    assert [host["health_status"] for host in near["lb_endpoints"]] == ["HEALTHY", "UNHEALTHY"]
    assert (near["priority"], far["priority"], far["lb_endpoints"][0]["load_balancing_weight"]) == (0, 1, 5)
    assert compiled.uneven


def test_every_listener_is_on_loopback(tmp_path: Path, last_phase: Callable[[str], Phase]):
    compiled = made(last_phase("client-local-waypoint"), tmp_path)
    sockets = [
        made_["address"]["socket_address"]["address"]
        for process in compiled.processes.values()
        for made_ in process.listeners.values()
        if "address" in made_
    ]
    assert sockets
    assert all(ip.startswith("127.") for ip in sockets)


def test_hbone_has_both_certificates_with_spiffe_names(tmp_path: Path, last_phase: Callable[[str], Phase]):
    from cryptography import x509

    compiled = made(last_phase("client-local-waypoint"), tmp_path)
    dial = next(
        made_
        for name, made_ in compiled.processes["ztunnel:cluster2"].clusters.items()
        if name.startswith("dial|hbone")
    )
    context = dial["transport_socket"]["typed_config"]["common_tls_context"]
    wanted = context["validation_context"]["match_typed_subject_alt_names"][0]["matcher"]["exact"]
    assert wanted == "spiffe://cluster.local/ns/shop/sa/waypoint"
    chain = Path(context["tls_certificates"][0]["certificate_chain"]["filename"]).read_bytes()
    names = x509.load_pem_x509_certificate(chain).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.UniformResourceIdentifier)[0].startswith(
        "spiffe://cluster.local/ns/shop/"
    )


def test_a_double_tunnel_says_who_sends_it_outside(tmp_path: Path, last_phase: Callable[[str], Phase]):
    compiled = made(last_phase("client-local-waypoint"), tmp_path)
    waypoint = compiled.processes["waypoint:cluster2/shop/waypoint"]
    outer = next(made_ for name, made_ in waypoint.listeners.items() if name.startswith("outer|"))
    tunnel = outer["filter_chains"][0]["filters"][0]["typed_config"]["tunneling_config"]
    assert tunnel["headers_to_add"] == [{"header": {"key": "x-istio-source", "value": "waypoint"}}]


def test_the_lab_knows_nothing_of_the_models_walk():
    folder = Path(inspect.getfile(lab)).parent
    for file in folder.glob("*.py"):
        assert "import meshsim.dataplane" not in file.read_text()
        assert "from meshsim.dataplane" not in file.read_text(), file.name
