"""Envoy's outlier detector. Expected values are those of its documentation, by hand."""

from meshsim.simulation.detector import Detector
from meshsim.tables.envoy import Outlier


def ejected(found: Detector, host: str, now: float) -> float:
    for _ in range(4):
        assert not found.error(host, now)
    assert found.error(host, now)
    return found.out[host]


def test_an_ejection_lasts_to_the_first_sweep_after_its_time_and_the_next_one_longer():
    found = Detector(Outlier(percent=50), phase=2.0)
    assert ejected(found, "a", 1.0) == 32.0  # 31 s, swept at 2, 12, 22, 32
    assert found.release(31.9) == ()
    assert found.release(32.0) == ("a",)
    assert ejected(found, "a", 33.0) == 102.0  # twice 30 s: 93 s, swept at 102
    found.release(102.0)
    # Two sweeps (112, 122) found it in: of two times none is left, and it is the first again.
    assert ejected(found, "a", 125.0) == 162.0


def test_no_ejection_is_longer_than_the_longest():
    found = Detector(Outlier(percent=100, base=100.0, longest=250.0, interval=1.0), phase=0.0)
    now, lasted = 0.0, []
    for _ in range(4):
        back = ejected(found, "a", now)
        lasted.append(back - now)
        found.release(back)
        now = back
    assert lasted == [100.0, 200.0, 250.0, 250.0]


def test_streaks_that_the_cap_holds_back_begin_anew():
    found = Detector(Outlier(percent=50), phase=0.0)
    ejected(found, "a", 0.0)
    assert found.full(2)
    found.held_back("b", 13)  # two streaks came to nothing, three errors of the next
    found.release(40.0)
    assert not found.error("b", 41.0)
    assert found.error("b", 41.0)


def test_what_is_gone_is_forgotten_and_an_answer_ends_a_streak():
    found = Detector(Outlier(percent=50), phase=0.0)
    ejected(found, "a", 0.0)
    found.held_back("b", 4)
    assert found.keep({"b", "c"}, {"c"}) == ("a",)
    assert found.out == {}
    assert not found.error("b", 1.0)


def test_ten_percent_is_rounded_down():
    found = Detector(Outlier(), phase=0.0)
    assert [found.most(hosts) for hosts in (9, 10, 19, 20)] == [0, 1, 1, 2]
