"""The smallest edit that restores a split, tried before it is told. Expected edits: each scenario's own twin."""

import pytest

import meshsim
from meshsim.model.verdict import Verdict


@pytest.mark.parametrize(
    ("scenario", "frm", "to", "sentence"),
    [
        (
            "waypoint-scaled-to-zero",
            "cluster1/ads/bidder",
            "bids.ads.mesh.internal:8080",
            "scale Deployment ads/waypoint in cluster1 to 1",
        ),
        (
            "client-local-waypoint",
            "cluster2/shop/recommender",
            "catalog.shop.mesh.internal:8080",
            "remove label istio.io/use-waypoint from Namespace shop in cluster2",
        ),
    ],
)
def test_the_edit_that_the_twin_makes_is_found(scenario: str, frm: str, to: str, sentence: str) -> None:
    (found,) = meshsim.load(f"scenarios/{scenario}").explain(frm, to)
    assert found.row.verdict is not Verdict.APPLIED
    assert found.repair is not None
    assert found.repair.sentence == sentence
    assert found.repair.after.verdict is Verdict.APPLIED
