"""Priorities and locality weights as istiod computes them. Expected values: istio
pilot/pkg/networking/core/loadbalancer/loadbalancer_test.go, and arithmetic on loadbalancer.go."""

from typing import Any

import pytest

from meshsim.controlplane.locality import distribute, label_rank, locality_weights, priorities
from meshsim.model.errors import InputError
from meshsim.tables.workload import Locality

TOPOLOGY = ["topology.istio.io/network", "topology.kubernetes.io/region", "topology.kubernetes.io/zone"]


def at(*places: str) -> list[dict[str, Any]]:
    return [{"locality": place} for place in places]


class TestPriorities:
    def test_default_ranks_compare_subzone_zone_and_region(self) -> None:
        rows = at("r1/z1/s1", "r1/z1/s2", "r1/z2/s1", "r2/z1/s1")
        assert priorities(rows, {}, "r1/z1/s1") == [0, 1, 2, 3]

    def test_failover_prefers_the_named_region(self) -> None:
        setting = {"failover": [{"from": "r1", "to": "r2"}]}
        assert priorities(at("r1/z1/s1", "r2/z/s", "r3/z/s"), setting, "r1/z1/s1") == [0, 1, 2]
        assert priorities(at("r2/z/s", "r3/z/s"), {}, "r1/z1/s1") == [0, 0]

    def test_priorities_are_compacted(self) -> None:
        setting = {"failover": [{"from": "r1", "to": "r2"}]}
        assert priorities(at("r1/z1/s2", "r2/z/s", ""), setting, "r1/z1/s1") == [0, 1, 2]

    @pytest.mark.parametrize("setting", [None, {"enabled": False}])
    def test_a_disabled_setting_gives_one_priority(self, setting: Any) -> None:
        assert priorities(at("r1", "r2"), setting, "r1") == [0, 0]

    def test_without_outlier_detection_there_is_one_priority(self) -> None:
        assert priorities(at("r1", "r2"), {}, "r1", failover=False) == [0, 0]

    def test_traffic_distribution_puts_gateways_after_everything_of_the_own_network(self) -> None:
        labels = [dict(zip(TOPOLOGY, values, strict=True)) for values in (("n1", "r1", "z1"), ("n1", "r2", "z9"))]
        rows = [{"labels": label} for label in labels] + [{"labels": {}, "network": "n2", "locality": "r1/z1"}]
        proxy = {"region": "r1", "zone": "z1", "network": "n1"}
        assert priorities(rows, {"failoverPriority": TOPOLOGY}, proxy) == [0, 1, 2]

    @pytest.mark.parametrize(
        ("labels", "rank"),
        [
            (("n1", "r1", "z1"), 0),
            (("n1", "r1", "z2"), 1),
            (("n1", "r2", "z1"), 2),
            (("n2", "r1", "z1"), 3),
            (("n2", "r1", "z2"), 4),
            (("n2", "", ""), 5),
        ],
    )
    def test_a_network_mismatch_counts_for_all_labels_and_the_rest_still_ranks(
        self, labels: tuple[str, ...], rank: int
    ) -> None:
        proxy = dict(zip(TOPOLOGY, ("n1", "r1", "z1"), strict=True))
        assert label_rank(dict(zip(TOPOLOGY, labels, strict=True)), proxy, TOPOLOGY) == rank

    def test_labels_rank_by_their_first_mismatch(self) -> None:
        names, proxy = ["key", "app", "version"], {"key": "k", "app": "a", "version": "v"}
        ranks = [{}, {"key": "k"}, {"key": "k", "app": "a"}, {"key": "k", "app": "a", "version": "v"}, {"app": "a"}]
        assert [label_rank(labels, proxy, names) for labels in ranks] == [3, 2, 1, 0, 3]

    def test_failover_priority_does_nothing_for_a_proxy_without_labels(self) -> None:
        rows: list[dict[str, Any]] = [{"labels": {"app": "a"}}, {"labels": {}}]
        assert priorities(rows, {"failoverPriority": ["app=a"]}, "") == [0, 0]

    def test_a_label_may_name_its_value(self) -> None:
        rows = [{"labels": {"version": "v2"}}, {"labels": {"version": "v1"}}]
        assert priorities(rows, {"failoverPriority": ["version=v1"]}, {"labels": {"version": "v2"}}) == [1, 0]

    def test_failover_refines_failover_priority(self) -> None:
        setting = {"failoverPriority": ["app"], "failover": [{"from": "r1", "to": "r2"}]}
        rows = [
            {"labels": {"app": "a"}, "locality": "r3"},
            {"labels": {"app": "a"}, "locality": "r2"},
            {"labels": {"app": "b"}, "locality": "r1"},
        ]
        assert priorities(rows, setting, {"region": "r1", "labels": {"app": "a"}}) == [1, 0, 2]

    def test_network_first_is_of_1_31(self) -> None:
        names = ["topology.istio.io/network", "topology.istio.io/cluster"]
        rows = [{"labels": dict(zip(names, values, strict=True))} for values in (("n1", "c1"), ("n2", "c2"))]
        proxy = {"labels": dict(zip(names, ("n9", "c1"), strict=True))}
        assert priorities(rows, {"failoverPriority": names}, proxy) == [0, 1]
        assert priorities(rows, {"failoverPriority": names}, proxy, dialect="istio/1.30") == [0, 0]

    @pytest.mark.parametrize(
        ("names", "expected"),
        [
            (["app", "app=a"], [0, 1]),
            (["app=a=b"], [1, 0]),
        ],
    )
    def test_a_value_counts_wherever_its_label_stands(self, names: list[str], expected: list[int]) -> None:
        rows = [{"labels": {"app": "a"}}, {"labels": {"app": "z"}}]
        assert priorities(rows, {"failoverPriority": names}, {"labels": {"app": "z"}}) == expected

    @pytest.mark.parametrize(
        ("setting", "expected"),
        [
            ({}, [0, 0, 0, 1, 1]),
            ({"failover": [{"from": "r1", "to": "r2"}]}, [0, 0, 0, 1, 2]),
            ({"failover": [{"from": "r9", "to": "r2"}]}, [0, 0, 0, 1, 1]),
            ({"enabled": False}, [0, 0, 0, 0, 0]),
        ],
    )
    def test_a_zone_aware_setting_ranks_regions_alone(self, setting: Any, expected: list[int]) -> None:
        rows = at("r1/z1/s1", "r1/z1/s2", "r1/z2", "r2", "r3")
        assert priorities(rows, {"zoneAwareLbSetting": setting}, "r1/z1/s1") == expected

    def test_a_setting_may_be_a_whole_load_balancer_and_rows_localities(self) -> None:
        setting = {"localityLbSetting": {"failover": [{"from": "r1", "to": "r2"}]}}
        assert priorities(["r1", "r2", {"region": "r3"}], setting, "r1") == [0, 1, 2]

    @pytest.mark.parametrize(
        ("endpoints", "setting", "message"),
        [
            ([1], {}, "endpoint 0: 1 is neither a mapping nor a locality"),
            ("r1", {}, "endpoints 'r1' is not a list"),
            ([{"labels": 5}], {}, "endpoint 0: labels 5 is not a mapping"),
            (["r1"], {"distribute": [{"from": "*", "to": 5}]}, "distribute 0: to 5 is not a mapping of weights"),
            (["r1"], [], "setting: [] is not a mapping"),
            (["r1"], {"failoverPriority": "app"}, "failoverpriority 'app' is not a list"),
            (["r1"], {"failover": [None]}, "failover 0: None is not a mapping"),
            (["r1"], {"distribute": [{"from": "*", "to": {"*": "most"}}]}, "'most' is not a whole number"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, endpoints: Any, setting: Any, message: str) -> None:
        with pytest.raises(InputError) as refused:
            priorities(endpoints, setting, "r1")
        assert message in str(refused.value)

    def test_distribute_leaves_out_what_it_does_not_name(self) -> None:
        setting = {"distribute": [{"from": "r1/*", "to": {"r1/*": 80, "r2/*": 20}}]}
        assert priorities(at("r1/z1", "r2/z1", "r3/z1"), setting, "r1/z1") == [0, 0, None]


DISTRIBUTE = {"distribute": [{"from": "r1/z1/s1", "to": {"r1/z1/s1": 80, "r1/z1/s2": 15, "r1/z1/s3": 5}}]}


class TestDistribute:
    def test_weights_are_by_locality(self) -> None:
        places = [Locality("r1", "z1", f"s{n}") for n in (1, 1, 2, 3)] + [Locality("r2")]
        weights = distribute(places, DISTRIBUTE, Locality("r1", "z1", "s1"))
        assert weights == {
            Locality("r1", "z1", "s1"): 80,
            Locality("r1", "z1", "s2"): 15,
            Locality("r1", "z1", "s3"): 5,
        }

    def test_a_proxy_elsewhere_has_no_weights(self) -> None:
        assert distribute([Locality("r1")], DISTRIBUTE, Locality("r2")) is None

    def test_a_wildcard_is_divided_by_endpoints_and_rounded_up(self) -> None:
        setting = {"distribute": [{"from": "*", "to": {"r1/*": 10, "r2": 90}}]}
        places = [Locality("r1", "z1"), Locality("r1", "z1"), Locality("r1", "z2"), Locality("r2", "z9")]
        weights = distribute(places, setting, Locality("r7"))
        assert weights == {Locality("r1", "z1"): 7, Locality("r1", "z2"): 4, Locality("r2", "z9"): 90}

    def test_endpoints_share_their_localitys_weight_by_their_own(self) -> None:
        rows = [{"locality": "r1/z1/s1", "weight": 3}, {"locality": "r1/z1/s1"}, {"locality": "r2"}]
        setting = {"distribute": [{"from": "*", "to": {"r1/z1/s1": 80, "r2": 20}}]}
        assert locality_weights(rows, setting, "r1") == [60, 20, 20]
        assert locality_weights(rows, {"localityLbSetting": setting}, {"region": "r9"}) == [60, 20, 20]

    @pytest.mark.parametrize("setting", [None, {}, {"distribute": [{"from": "r2", "to": {"r1": 100}}]}])
    def test_where_nothing_is_distributed_there_are_no_weights(self, setting: Any) -> None:
        assert locality_weights(["r1"], setting, "r1") is None
