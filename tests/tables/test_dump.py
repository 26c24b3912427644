import json
from dataclasses import replace
from pathlib import Path

import pytest

from meshsim.session import load
from meshsim.tables.dump import services, workloads
from meshsim.tables.load import ztunnel_tables
from meshsim.tables.ztunnel import ZtunnelTables

SCENARIOS = Path(__file__).parents[2] / "scenarios"
NAMES = ("guide-gateway-api", "local-endpoints-first", "istio-subset-diluted-at-the-gateway", "waypoint-scaled-to-zero")


def dumped(tables: ZtunnelTables) -> ZtunnelTables:
    text = json.dumps({"services": services(tables), "workloads": workloads(tables)})
    return ztunnel_tables(json.loads(text), network=tables.network)


def held(tables: ZtunnelTables) -> dict[str, dict[str, dict[int, int]]]:
    return {
        str(service.key): {w.uid: dict(w.services[str(service.key)]) for w in tables.endpoints(service)}
        for service in tables.services.values()
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_dump_holds_the_services_workloads_and_endpoints_it_was_written_from(name: str) -> None:
    session = load(SCENARIOS / name)
    plane = session.situation(session.moments(None)[0][0]).plane
    for cluster in session.mesh.clusters:
        tables = plane.cluster(cluster).ztunnel
        back = dumped(tables)
        assert back.services == tables.services
        assert held(back) == held(tables)
        assert [replace(w, services={}) for w in back.workloads.values()] == [
            replace(w, services={}) for w in tables.workloads.values()
        ]


@pytest.mark.parametrize("name", NAMES)
def test_ztunnels_that_hold_the_dump_give_the_same_verdicts(name: str) -> None:
    said, again = load(SCENARIOS / name), load(SCENARIOS / name)
    plane = again.situation(again.moments(None)[0][0]).plane
    for cluster in again.mesh.clusters:
        view = plane.cluster(cluster)
        plane._views[cluster] = replace(view, ztunnel=dumped(view.ztunnel))
    expected = said.verdicts()
    assert expected
    assert [(r.verdict, r.effective, r.reasons) for r in again.verdicts()] == [
        (r.verdict, r.effective, r.reasons) for r in expected
    ]


def test_endpoints_stand_on_the_service_as_istioctl_prints_them() -> None:
    tables = ztunnel_tables(
        {
            "services": [
                {
                    "name": "web",
                    "namespace": "shop",
                    "hostname": "web.shop.svc.cluster.local",
                    "vips": ["n1/10.0.0.1"],
                    "ports": {"80": 8080},
                    "waypoint": {"destination": "n1/10.0.0.9", "port": 15008},
                }
            ],
            "workloads": [
                {
                    "uid": "c1//Pod/shop/web-0",
                    "name": "web-0",
                    "namespace": "shop",
                    "network": "n1",
                    "workloadIps": ["10.1.0.1"],
                    "services": {"shop/web.shop.svc.cluster.local": {"80": 8080}},
                }
            ],
        },
        network="n1",
    )
    (service,) = services(tables)
    assert service["waypoint"] == {"destination": "n1/10.0.0.9", "port": 15008}
    assert service["endpoints"] == {
        "c1//Pod/shop/web-0:n1/10.1.0.1": {
            "workloadUid": "c1//Pod/shop/web-0",
            "service": "shop/web.shop.svc.cluster.local",
            "address": "n1/10.1.0.1",
            "port": {"80": 8080},
            "status": "Healthy",
        }
    }
    assert "services" not in workloads(tables)[0]
