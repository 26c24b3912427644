"""Envoy's own words as rows. Expected values are those of Envoy's API documentation for the fields."""

from typing import Any

import pytest

from meshsim.dataplane.match import HttpRequest, matches
from meshsim.dataplane.priority import choose
from meshsim.model.errors import InputError
from meshsim.tables.configdump.clusters import assigned, assignment, cluster, split_name, statuses, with_statuses
from meshsim.tables.configdump.domains import Domains
from meshsim.tables.configdump.listeners import listener
from meshsim.tables.configdump.matches import route_match
from meshsim.tables.configdump.message import Message
from meshsim.tables.configdump.routes import route_configuration
from meshsim.tables.configdump.rows import DumpedCluster, VirtualHost
from meshsim.tables.envoy import Cluster, Endpoint, Outlier, Via
from meshsim.tables.workload import Locality

REQUEST = HttpRequest(path="/api/v1?x=1", authority="shop.example.com", headers={"x-canary": "yes", "accept": "a/b"})


def message(**fields: Any) -> Message:
    return Message(fields, "row")


@pytest.mark.parametrize(
    ("fields", "fits"),
    [
        ({"prefix": "/"}, True),
        ({"prefix": "/ap"}, True),
        ({"path_separated_prefix": "/ap"}, False),
        ({"path_separated_prefix": "/api"}, True),
        ({"path": "/api/v1"}, True),
        ({"path": "/API/v1"}, False),
        ({"path": "/API/v1", "case_sensitive": False}, True),
        ({"safe_regex": {"regex": "/api/v[0-9]"}}, True),
        ({"headers": [{"name": ":method", "string_match": {"exact": "GET"}}]}, True),
        ({"headers": [{"name": ":method", "string_match": {"exact": "POST"}}]}, False),
        ({"headers": [{"name": ":authority", "string_match": {"suffix": ".example.com"}}]}, True),
        ({"headers": [{"name": "X-Canary", "exact_match": "yes"}]}, True),
        ({"headers": [{"name": "x-canary", "string_match": {"exact": "YES", "ignore_case": True}}]}, True),
        ({"headers": [{"name": "accept", "string_match": {"contains": "/"}}]}, True),
        ({"headers": [{"name": "accept", "string_match": {"contains": "."}}]}, False),
        ({"headers": [{"name": "x-canary", "present_match": True}]}, True),
        ({"headers": [{"name": "x-canary", "present_match": False}]}, False),
        ({"headers": [{"name": "x-none", "present_match": True, "invert_match": True}]}, True),
        ({"headers": [{"name": "x-canary", "string_match": {"exact": "no"}, "invert_match": True}]}, True),
        ({"headers": [{"name": "x-none", "string_match": {"exact": "no"}, "invert_match": True}]}, False),
        (
            {
                "headers": [
                    {
                        "name": "x-none",
                        "string_match": {"exact": "no"},
                        "invert_match": True,
                        "treat_missing_header_as_empty": True,
                    }
                ]
            },
            True,
        ),
        ({"queryParameters": [{"name": "x", "stringMatch": {"exact": "1"}}]}, True),
        ({"query_parameters": [{"name": "y", "present_match": True}]}, False),
    ],
)
def test_a_match_takes_what_envoy_takes(fields: dict[str, Any], fits: bool) -> None:
    read = route_match(message(**fields))
    assert not read.unmodelled
    assert matches(read.match, REQUEST) is fits


@pytest.mark.parametrize(
    "fields",
    [
        {"runtime_fraction": {"default_value": {"numerator": 5}}},
        {"headers": [{"name": "x", "range_match": {"start": 1, "end": 2}}]},
        {"grpc": {}},
        {"path_match_policy": {"name": "envoy.path.match.uri_template.uri_template_matcher"}},
    ],
)
def test_matches_of_other_kinds_are_said_to_be_unmodelled(fields: dict[str, Any]) -> None:
    assert route_match(message(prefix="/", **fields)).unmodelled


def test_the_route_of_a_tunnel_takes_no_request() -> None:
    host = {"domains": ["*"], "routes": [{"match": {"connect_matcher": {}}, "route": {"cluster": "main_internal"}}]}
    (found,) = route_configuration(message(name="default", virtual_hosts=[host])).hosts
    assert found.routes == ()


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("outbound|80|canary|web.shop.svc.cluster.local", ("outbound", "web.shop.svc.cluster.local", 80, "canary")),
        ("inbound-vip|80|http/canary|web.shop", ("inbound-vip", "web.shop", 80, "canary")),
        ("inbound-vip|80|http|web.shop", ("inbound-vip", "web.shop", 80, "")),
        ("outbound|99999999|x|y", ("", "outbound|99999999|x|y", 0, "")),
        ("agent", ("", "agent", 0, "")),
    ],
)
def test_a_clusters_name_tells_host_port_and_subset(name: str, parts: tuple[str, str, int, str]) -> None:
    assert split_name(name) == parts


def host(address: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"endpoint": {"address": address}, **fields}


def internal(name: str, ident: str) -> dict[str, Any]:
    return {"envoy_internal_address": {"server_listener_name": name, "endpoint_id": ident}}


def socket(ip: str) -> dict[str, Any]:
    return {"socket_address": {"address": ip, "port_value": 80}}


def test_hosts_are_reached_as_their_addresses_and_metadata_say() -> None:
    tunnel = {"envoy.filters.listener.original_dst": {"local": "10.0.0.1:80"}}
    waypoint = {"envoy.filters.listener.original_dst": {"local": "240.240.0.1:80", "waypoint": "10.0.0.9:15008"}}
    gateway = {
        "envoy.filters.listener.original_dst": {"local": "172.18.0.4:15008"},
        "istio": {"workload": ";;;;east", "double_hbone": {"hbone_target_address": "web.shop.mesh.internal:80"}},
    }
    sidecar = {"envoy.transport_socket_match": {"tlsMode": "istio"}}
    rows = [
        host(internal("connect_originate", "10.0.0.1:80"), metadata={"filter_metadata": tunnel}),
        host(internal("connect_originate", "10.0.0.9:15008"), metadata={"filter_metadata": waypoint}),
        host(internal("inner_connect_originate", "172.18.0.4:15008"), metadata={"filter_metadata": gateway}),
        host(socket("10.0.0.3"), metadata={"filter_metadata": sidecar}, health_status="UNHEALTHY"),
        host(socket("fd00::1"), load_balancing_weight=3),
    ]
    found = assignment(message(endpoints=[{"lb_endpoints": rows}])).hosts
    assert [one.endpoint.via for one in found] == [Via.HBONE, Via.WAYPOINT, Via.GATEWAY, Via.MTLS, Via.DIRECT]
    assert found[0].endpoint.address == "10.0.0.1:80"
    assert found[1].waypoint == "10.0.0.9:15008"
    assert (found[2].gateway, found[2].endpoint.authority) == ("172.18.0.4:15008", "web.shop.mesh.internal:80")
    assert [one.endpoint.healthy for one in found] == [True, True, True, False, True]
    assert (found[4].endpoint.address, found[4].endpoint.weight) == ("[fd00::1]:80", 3)


def told(groups: list[dict[str, Any]], **fields: Any) -> Cluster:
    bare = cluster(message(name="outbound|80||web", type="EDS", **fields))
    found = assigned(bare, assignment(message(endpoints=groups)))
    assert found.hosts is not None
    return found.cluster if not found.hosts else with_hosts(found)


def with_hosts(found: DumpedCluster) -> Cluster:
    from dataclasses import replace

    return replace(found.cluster, endpoints=tuple(one.endpoint for one in found.hosts or ()))


def group(zone: str, weight: int, *hosts: dict[str, Any], priority: int = 0) -> dict[str, Any]:
    return {
        "locality": {"region": "r", "zone": zone},
        "lb_endpoints": list(hosts),
        "load_balancing_weight": weight,
        "priority": priority,
    }


def test_localities_are_weighed_where_the_cluster_says_so() -> None:
    """`distribute` 80 to 20 over two zones; without locality_weighted_lb_config hosts alone count."""
    zones = [
        group("a", 80, host(socket("10.0.0.1"))),
        group("b", 20, host(socket("10.0.0.2")), host(socket("10.0.0.3"))),
    ]
    weighed = told(zones, common_lb_config={"locality_weighted_lb_config": {}})
    assert weighed.locality_weights == {Locality("r", "a"): 80, Locality("r", "b"): 20}
    plain = told(zones, common_lb_config={})
    assert plain.locality_weights is None
    assert [share.denominator for share, _ in choose(plain)] == [3, 3, 3]


def test_weights_of_localities_that_only_count_their_hosts_change_nothing() -> None:
    """istiod gives every locality the sum of its endpoints' weights, also where priorities decide."""
    zones = [group("a", 1, host(socket("10.0.0.1"))), group("b", 1, host(socket("10.0.0.2")), priority=1)]
    found = told(zones, common_lb_config={"locality_weighted_lb_config": {}})
    assert found.locality_weights is None
    assert not found.unmodelled
    assert [(share, one.address) for share, one in choose(found)] == [(1, "10.0.0.1:80")]


def test_the_panic_threshold_is_envoys_own_where_nothing_is_said() -> None:
    assert cluster(message(name="x")).cluster.panic == 50
    assert cluster(message(name="x", common_lb_config={"healthy_panic_threshold": {}})).cluster.panic == 0
    assert cluster(message(name="x", common_lb_config={"healthy_panic_threshold": {"value": 30}})).cluster.panic == 30


def listed(policy: str) -> dict[str, Any]:
    """A policy as newer versions have it, by the type of its extension."""
    config = {"typed_config": {"@type": f"type.googleapis.com/envoy.extensions.{policy}"}}
    return {"load_balancing_policy": {"policies": [{"typed_extension_config": config}]}}


@pytest.mark.parametrize(
    ("fields", "lb", "said"),
    [
        ({"lb_policy": "LEAST_REQUEST"}, "LEAST_REQUEST", ""),
        ({}, "ROUND_ROBIN", ""),
        ({"lb_policy": "RING_HASH"}, "RING_HASH", "depends on its hash key"),
        ({"type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED"}, "LEAST_REQUEST", "original address"),
        (listed("Maglev"), "RING_HASH", "hash key"),
        (listed("LeastRequest"), "LEAST_REQUEST", ""),
        ({"lb_subset_config": {}}, "ROUND_ROBIN", "by metadata"),
    ],
)  # fmt: skip
def test_balancing_policies(fields: dict[str, Any], lb: str, said: str) -> None:
    found = cluster(message(name="x", **fields)).cluster
    assert found.lb == lb
    assert bool(found.unmodelled) is bool(said)
    assert said in " ".join(found.unmodelled)


def test_statuses_have_the_health_that_envoy_saw() -> None:
    rows = [
        {"address": socket("10.0.0.1"), "health_status": {"eds_health_status": "HEALTHY"}},
        {
            "address": socket("10.0.0.2"),
            "health_status": {"eds_health_status": "HEALTHY", "failed_outlier_check": True},
        },
        {"address": socket("10.0.0.3"), "health_status": {"eds_health_status": "DRAINING"}, "weight": 4, "priority": 1},
    ]
    found: list[Endpoint] = [one.endpoint for one in statuses(message(host_statuses=rows))]
    assert [one.healthy for one in found] == [True, False, False]
    assert (found[2].weight, found[2].priority) == (4, 1)


def test_statuses_alone_do_not_tell_what_localities_weigh() -> None:
    weighed = cluster(message(name="x", type="EDS", common_lb_config={"locality_weighted_lb_config": {}}))
    near, far = ({"address": socket(f"10.0.0.{n}"), "locality": {"zone": zone}} for n, zone in enumerate("ab"))
    one = with_statuses(weighed, statuses(message(host_statuses=[near])))
    assert (one.cluster.locality_weights, one.cluster.unmodelled) == (None, ())
    both = with_statuses(weighed, statuses(message(host_statuses=[near, far])))
    assert "weights of its localities" in both.cluster.unmodelled[0]


def test_a_listeners_chain_of_bytes_knows_its_clusters_and_addresses() -> None:
    proxy: dict[str, Any] = {
        "@type": "a/x.TcpProxy",
        "weighted_clusters": {"clusters": [{"name": "a", "weight": 9}, {"name": "b", "weight": 1}]},
    }
    chain = {
        "filter_chain_match": {
            "prefix_ranges": [{"address_prefix": "10.96.0.1", "prefix_len": 32}],
            "destination_port": 80,
        },
        "filters": [{"name": "x", "typed_config": proxy}],
    }
    row = message(name="virtual", address=socket("0.0.0.0"), filter_chains=[chain])
    (found,) = listener(row).chains
    assert [(one.cluster, one.weight) for one in found.clusters] == [("a", 9), ("b", 1)]
    assert (found.ranges, found.port, found.http) == (("10.96.0.1/32",), 80, False)
    assert found.unmodelled == ()


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("shop.example.com", "exact"),
        ("web.shop.example.com", "longest suffix"),
        ("x.example.com", "suffix"),
        ("shop.internal", "prefix"),
        ("elsewhere.org", "any"),
    ],
)
def test_the_most_specific_domain_wins(asked: str, name: str) -> None:
    hosts = [
        VirtualHost(name=said, domains=(domain,), routes=())
        for said, domain in {
            "any": "*", "prefix": "shop.*", "suffix": "*.example.com", "longest suffix": "*.shop.example.com",
            "exact": "shop.example.com",
        }.items()
    ]  # fmt: skip
    found = Domains(hosts).best(asked, 80)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"headers": "x"}, "headers 'x' is not a list"),
        ({"headers": ["x"]}, "'x' is not a mapping"),
        ({"safe_regex": 7}, "7 is not a mapping"),
        ({"prefix": ["/"]}, "is not a text"),
    ],
)
def test_values_of_another_shape_are_sentences(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        route_match(message(**fields))


def test_outlier_detection_is_read_with_envoys_defaults() -> None:
    """outlier_detection.proto: 5 errors, 10 s, 30 s, 300 s and 10 % where absent; success rates enforced by default."""
    bare = cluster(message(name="x", type="EDS", outlier_detection={"enforcing_success_rate": 0})).cluster.outlier
    assert bare == Outlier(consecutive=5, interval=10.0, base=30.0, longest=300.0, percent=10)
    said = {
        "consecutive_5xx": 7,
        "consecutive_gateway_failure": 3,
        "enforcing_consecutive_gateway_failure": 100,
        "enforcing_success_rate": 0,
        "interval": "0.5s",
        "base_ejection_time": "60s",
        "max_ejection_percent": 50,
    }
    found = cluster(message(name="x", type="EDS", outlier_detection=said)).cluster.outlier
    assert found == Outlier(consecutive=3, interval=0.5, base=60.0, longest=300.0, percent=50)
    assert cluster(message(name="x", type="EDS")).cluster.outlier is None
    off = {"enforcing_consecutive_5xx": 0, "enforcing_success_rate": 0}
    assert cluster(message(name="x", type="EDS", outlier_detection=off)).cluster.outlier is None


def test_ways_of_ejecting_that_are_not_modelled_are_told() -> None:
    said = {"split_external_local_origin_errors": True, "enforcing_consecutive_5xx": 50}
    found = cluster(message(name="x", type="EDS", outlier_detection=said)).cluster.outlier
    assert found is not None
    assert found.limits == (
        "enforcing_consecutive_5xx 50",
        "split_external_local_origin_errors",
        "ejection by success rate",
    )
    with pytest.raises(InputError, match="is no duration"):
        cluster(message(name="x", type="EDS", outlier_detection={"interval": "soon"}))
