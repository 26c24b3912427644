"""The rows of behaviour: each version has one for every name, with a source."""

import pytest

from meshsim.model.errors import InputError
from meshsim.tables.dialect import BEHAVIOURS, VERSIONS, Dialect, parse_dialect

NAMES = sorted({row.name for row in BEHAVIOURS})
EVERY = [Dialect(product, minor) for product, span in VERSIONS.items() for minor in span]


@pytest.mark.parametrize("dialect", EVERY, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_exactly_one_row_fits(dialect: Dialect, name: str) -> None:
    fitting = [
        row
        for row in BEHAVIOURS
        if (row.name, row.product) == (name, dialect.product) and row.since <= dialect.minor <= row.until
    ]
    assert [row.source != "" for row in fitting] == [True]


@pytest.mark.parametrize(
    ("name", "before", "first", "after"),
    [
        ("waypoint.remote", "", 28, "AMBIENT_ENABLE_MULTI_NETWORK_WAYPOINT=true"),
        ("eastwest.source.waypoint", "waypoint", 28, "skip"),
        ("ingress.waypoint-of-shared", "", 29, "true"),
        ("ingress.remote", "", 29, "AMBIENT_ENABLE_MULTI_NETWORK_INGRESS=false"),
        ("eastwest.source.gateway", "skip", 29, "label"),
        ("locality.network-first", "", 31, "true"),
        ("locality.zone-aware", "", 31, "true"),
        ("endpoints.unready", "absent", 31, "unhealthy"),
        ("waypoint.canary", "", 31, "true"),
    ],
)
def test_upstreams_history(name: str, before: str, first: int, after: str) -> None:
    for minor in VERSIONS["istio"]:
        assert Dialect("istio", minor).value(name) == (before if minor < first else after)


@pytest.mark.parametrize("text", ["istio/1.27", "istio/1.32", "solo/1.31", "linkerd/2.14", "istio", "istio/1.x", ""])
def test_an_unknown_dialect_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"write one of solo/1\.27"):
        parse_dialect(text)
