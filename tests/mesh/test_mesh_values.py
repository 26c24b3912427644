"""A Mesh is a value: networks and links by what the manifests say, forks that share nothing, digests that tell."""

from dataclasses import replace

import pytest
from strategies.asking import load
from strategies.cases import scenario, the, with_client, with_rollout
from strategies.meshes import NAMESPACE, SERVICE, Document, namespace

from meshsim.mesh.edits import find_object, merge, patched, with_env, with_labels, without
from meshsim.mesh.mesh import Setting
from meshsim.model.errors import InputError
from meshsim.model.evidence import Assumed, Source

NAME = f"c1/Service/{NAMESPACE}/{SERVICE}"
EDITED = Assumed("edited")


def system(network: str | None = None, **labels: str) -> Document:
    return namespace("istio-system", ({"topology.istio.io/network": network} if network else {}) | labels)


def remote(peer: str, **labels: str) -> Document:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": f"istio-remote-peer-{peer}", "namespace": "istio-gateways", "labels": dict(labels)},
        "spec": {"gatewayClassName": "istio-remote", "listeners": []},
    }


class TestNetworks:
    def test_the_label_on_istio_system_wins_over_the_scenario(self) -> None:
        part = with_rollout(more=(system("labelled"),))
        mesh = load(scenario(part)).mesh
        assert mesh.clusters["c1"].network.value == "labelled"
        assert isinstance(mesh.clusters["c1"].network.evidence, Source)

    def test_without_either_a_cluster_is_a_network_of_its_own(self) -> None:
        document = scenario(with_rollout())
        del document["clusters"]["c1"]["network"]
        network = load(document).mesh.clusters["c1"].network
        assert (network.value, isinstance(network.evidence, Assumed)) == ("c1", True)

    def test_ztunnels_own_network_is_what_its_environment_says(self) -> None:
        document = scenario({**with_rollout(), "ztunnel": {"env": {"NETWORK": "elsewhere"}}})
        session = load(document)
        assert session.mesh.clusters["c1"].ztunnel_network.value == "elsewhere"
        assert [line for line in session.findings() if "MS105" in line]


class TestLinks:
    def links(self, *parts: Document, peering: object = None) -> set[tuple[str, str]]:
        document = scenario(*parts)
        if peering is None:
            del document["peering"]
        else:
            document["peering"] = peering
        return set(load(document).mesh.links)

    def test_remote_gateways_link_in_their_direction(self) -> None:
        watching = with_client()
        watching["manifests"].append(remote("c1"))
        assert self.links(with_rollout(), watching) == {("c2", "c1")}

    def test_a_remote_gateway_is_known_by_cluster_label_or_by_network(self) -> None:
        by_label, by_network = with_client(), with_client()
        by_label["manifests"].append(remote("x", **{"topology.istio.io/cluster": "c1"}))
        by_network["manifests"].append(remote("y", **{"topology.istio.io/network": "network1"}))
        assert self.links(with_rollout(), by_label, by_network) == {("c2", "c1"), ("c3", "c1")}

    def test_stated_peering_wins_over_remote_gateways(self) -> None:
        watching = with_client()
        watching["manifests"].append(remote("c1"))
        assert self.links(with_rollout(), watching, peering="none") == set()
        both = {("c1", "c2"), ("c2", "c1")}
        assert self.links(with_rollout(), watching, peering="all") == both

    def test_without_any_word_all_clusters_are_linked(self) -> None:
        assert self.links(with_rollout(), with_client()) == {("c1", "c2"), ("c2", "c1")}

    def test_a_link_to_an_unknown_cluster_is_refused(self) -> None:
        with pytest.raises(InputError):
            self.links(with_rollout(), peering=[{"watcher": "c1", "peer": "c9"}])


class TestEdits:
    def test_a_label_set_or_removed_gives_a_new_mesh(self) -> None:
        mesh = load(scenario(with_rollout())).mesh
        changed = with_labels(mesh, NAME, {"solo.io/service-scope": None, "team": "shop"}, EDITED)
        service = changed.clusters["c1"].get("Service", NAMESPACE, SERVICE)
        assert service is not None
        assert dict(service.labels) == {"team": "shop"}
        before = mesh.clusters["c1"].get("Service", NAMESPACE, SERVICE)
        assert before is not None
        assert dict(before.labels) == {"solo.io/service-scope": "global"}

    def test_a_merge_patch_merges_maps_removes_nulls_and_replaces_lists(self) -> None:
        """RFC 7386, appendix A."""
        assert merge({"a": "b"}, {"a": "c"}) == {"a": "c"}
        assert merge({"a": "b", "b": "c"}, {"a": None}) == {"b": "c"}
        assert merge({"a": ["b"]}, {"a": "c"}) == {"a": "c"}
        assert merge({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}) == {"a": {"b": "d"}}
        assert merge({"a": [{"b": "c"}]}, {"a": [1]}) == {"a": [1]}
        assert merge(["a", "b"], ["c", "d"]) == ["c", "d"]
        assert merge({"e": None}, {"a": 1}) == {"e": None, "a": 1}
        assert merge({}, {"a": {"bb": {"ccc": None}}}) == {"a": {"bb": {}}}

    def test_a_deleted_object_is_gone_from_the_new_mesh_only(self) -> None:
        mesh = load(scenario(with_rollout())).mesh
        changed = without(mesh, NAME, EDITED)
        assert changed.clusters["c1"].get("Service", NAMESPACE, SERVICE) is None
        assert mesh.clusters["c1"].get("Service", NAMESPACE, SERVICE) is not None

    @pytest.mark.parametrize("name", ["c9/Service/shop/web", "c1/Service/shop/nobody", "web", "c1/Nothing/shop/web"])
    def test_an_object_that_is_not_there_is_refused_with_what_is(self, name: str) -> None:
        with pytest.raises(InputError) as caught:
            find_object(load(scenario(with_rollout())).mesh, name)
        assert caught.value.hint


class TestDigest:
    def test_every_kind_of_edit_changes_the_digest(self) -> None:
        mesh = load(scenario(with_rollout(), with_client())).mesh
        c1 = mesh.clusters["c1"]
        edits = [
            with_labels(mesh, NAME, {"team": "shop"}, EDITED),
            patched(mesh, NAME, {"spec": {"clusterIP": "None"}}, EDITED),
            without(mesh, NAME, EDITED),
            with_env(mesh, "c1", "istiod", {"ENABLE_WAYPOINT_INTEROP": "false"}, EDITED),
            with_env(mesh, "c1", "ztunnel", {"NETWORK": "elsewhere"}, EDITED),
            mesh.fork(replace(c1, region="r9")),
            mesh.fork(replace(c1, root=Setting("another", EDITED))),
            mesh.fork(replace(c1, dataplane=Setting("sidecar", EDITED))),
            mesh.fork(replace(c1, argo=("1.8", "0.11"))),
            mesh.fork(links=frozenset({("c1", "c2")})),
            mesh.fork(assume={"remote_weight": "pods"}),
            mesh.fork(down=frozenset({"eastwest:c2"})),
        ]
        digests = [edited.digest() for edited in edits]
        assert mesh.digest() not in digests
        assert len(set(digests)) == len(edits)

    def test_where_a_value_stands_does_not_change_the_digest(self) -> None:
        mesh = load(scenario(with_rollout())).mesh
        same = mesh.fork(replace(mesh.clusters["c1"], network=Setting("network1", EDITED)))
        assert same.digest() == mesh.digest()


def test_objects_are_found_by_kind_in_order_of_name() -> None:
    part = with_rollout()
    names = [m.name for m in load(scenario(part)).mesh.clusters["c1"].of("Service")]
    assert names == ["web", "web-canary", "web-stable"]
    part["manifests"].reverse()
    assert [m.name for m in load(scenario(part)).mesh.clusters["c1"].of("Service")] == names
    assert the(part, "Service", "web")["kind"] == "Service"
