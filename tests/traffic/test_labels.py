"""Labels are exact, and a pure function of stream and index: any chunk, any order, with or without numpy."""

import random
import subprocess
import sys
from bisect import bisect_right
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from itertools import accumulate
from math import ceil, floor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshsim.simulation import traffic, traffic_vector
from meshsim.simulation.streams import Purpose, Stream, stream
from meshsim.simulation.traffic import HISTOGRAM, VECTOR, Leaves, counts, histogram, label, labels, leaves, plain_labels

WEIGHTS = [
    (1,),
    (1, 1),
    (7, 13),
    (90, 10),
    (1, 0, 5, 0),
    (0, 0, 1, 0),
    (1,) * 16,
    tuple(range(1, 300)),
    (65536, 65536, 65536, 65536),
    (1, 1, 65534, 1, 1),
    (1, 10**30),
    (10**12 + 1, 3, 7),
    (1, 2**80 - 1),
]
SOURCE = stream(1, "scenario", "cluster2/default/curl", "helloworld:5000", "/")


def by_definition(source: Stream, of: Leaves, index: int) -> int:
    """The leaf in which the number 0.b1b2b3… lies: sixteen bits of the labels, then the request's refinement."""
    word = source.block(index // 16, Purpose.LABELS)[index % 16 // 4]
    value = Fraction(word >> 16 * (index % 4) & 0xFFFF, 2**16)
    for place, more in enumerate(source.block(index, Purpose.REFINE)):
        value += Fraction(more, 2 ** (16 + 64 * (place + 1)))
    return bisect_right([Fraction(part, of.total) for part in accumulate(of.weights)], value)


@pytest.mark.parametrize("weights", WEIGHTS, ids=lambda w: f"{len(w)} leaves of {sum(w)}")
def test_a_label_is_the_leaf_in_which_its_random_number_lies(weights: tuple[int, ...]) -> None:
    of = Leaves(weights)
    found = plain_labels(SOURCE, of, 3000)
    assert list(found) == [by_definition(SOURCE, of, i) for i in range(3000)]


@pytest.mark.parametrize("weights", WEIGHTS, ids=lambda w: f"{len(w)} leaves of {sum(w)}")
def test_numpy_gives_the_same_bytes(weights: tuple[int, ...]) -> None:
    of = Leaves(weights)
    assert traffic_vector.labels(SOURCE, of, 40_001).tobytes() == plain_labels(SOURCE, of, 40_001).tobytes()


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=40).filter(any), st.data())
@settings(max_examples=60, deadline=None)
def test_any_chunk_is_a_piece_of_the_whole(weights: list[int], data: st.DataObject) -> None:
    of = Leaves(tuple(weights))
    stop = data.draw(st.integers(1, 600))
    start = data.draw(st.integers(0, stop))
    whole = plain_labels(SOURCE, of, 600)
    assert plain_labels(SOURCE, of, stop, start) == whole[start:stop]
    assert traffic_vector.labels(SOURCE, of, stop, start).tobytes() == whole[start:stop].tobytes()


def test_the_first_fifty_of_a_million_are_the_run_of_fifty() -> None:
    of = Leaves((1, 2, 4))
    assert labels(SOURCE, of, 1_000_000)[:50] == labels(SOURCE, of, 50)


def test_a_request_far_out_is_drawn_by_itself() -> None:
    of = Leaves((1, 2, 4))
    far = 10**15
    assert label(SOURCE, of, far) == by_definition(SOURCE, of, far)
    assert traffic_vector.labels(SOURCE, of, far + 5, far).tolist() == [
        by_definition(SOURCE, of, far + i) for i in range(5)
    ]


def test_batches_do_not_show() -> None:
    of = Leaves(tuple(range(1, 120)))
    edge = traffic_vector.BATCH * traffic_vector.PER_WORD
    whole = traffic_vector.labels(SOURCE, of, 3 * edge + 5)
    pieces = [
        traffic_vector.labels(SOURCE, of, b, a)
        for a, b in ((0, edge - 1), (edge - 1, edge + 3), (edge + 3, 3 * edge + 5))
    ]
    assert b"".join(piece.tobytes() for piece in pieces) == whole.tobytes()


def _piece(place: int) -> bytes:
    return labels(SOURCE, Leaves((3, 7, 11)), (place + 1) * 5000, place * 5000).tobytes()


def test_two_workers_in_any_order_give_the_same_bytes() -> None:
    with ProcessPoolExecutor(2) as pool:
        backwards = list(pool.map(_piece, reversed(range(8))))
    assert b"".join(reversed(backwards)) == labels(SOURCE, Leaves((3, 7, 11)), 40_000).tobytes()


def test_small_samples_do_not_load_numpy() -> None:
    code = (
        "import sys; from meshsim.simulation.traffic import *; from meshsim.simulation.streams import stream;"
        "counts(stream(1, 'a'), Leaves((1, 2)), 5000); counts(stream(1, 'a'), Leaves((1, 2)), 10**9);"
        "sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_bucket_is_refined_until_it_is_certain_even_when_words_tie() -> None:
    # One leaf ends where the request's first refinement word begins to differ: only the second word tells.
    first, second, *_ = SOURCE.block(0, Purpose.REFINE)
    bucket = SOURCE.block(0, Purpose.LABELS)[0] & 0xFFFF
    exactly = ((bucket << 64 | first) << 64) + second
    for place, expected in ((exactly, 1), (exactly + 1, 0)):
        of = Leaves((place, 2**144 - place))
        assert plain_labels(SOURCE, of, 1)[0] == expected
        assert traffic_vector.labels(SOURCE, of, 1)[0] == expected


def test_a_leaf_of_weight_zero_is_never_drawn() -> None:
    found = counts(SOURCE, Leaves((0, 1, 0, 2, 0)), 100_000)
    assert found[0] == found[2] == found[4] == 0


def test_scaling_all_weights_changes_no_label() -> None:
    assert labels(SOURCE, Leaves((3, 7)), 5000) == labels(SOURCE, Leaves((3 * 10**9, 7 * 10**9)), 5000)


@pytest.mark.parametrize("requests", [0, 1, 50, VECTOR - 1, VECTOR, HISTOGRAM])
def test_counts_are_the_histogram_of_the_labels_up_to_the_stated_number(requests: int) -> None:
    of = Leaves((5, 3, 1))
    assert counts(SOURCE, of, requests) == histogram(plain_labels(SOURCE, of, requests), 3)


def test_shares_become_weights_over_their_common_denominator() -> None:
    assert leaves([Fraction(1, 2), Fraction(1, 3), Fraction(1, 6)]) == Leaves((3, 2, 1))


@pytest.mark.parametrize("weights", [(), (0, 0), (1, -1)])
def test_weights_that_are_none_are_refused(weights: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="whole numbers"):
        Leaves(weights)


def test_shares_that_do_not_sum_to_one_are_refused() -> None:
    with pytest.raises(ValueError, match="sum to 5/6"):
        leaves([Fraction(1, 2), Fraction(1, 3)])


def test_labels_take_the_smallest_type_with_room() -> None:
    kinds = [Leaves((1,) * size).typecode for size in (1, 255, 256, 65_535, 65_536)]
    assert kinds == ["B", "B", "H", "H", "I"]
    assert traffic.labels(SOURCE, Leaves((1,) * 256), 10).itemsize == 2


@pytest.mark.parametrize("digits", [1, 4, 9, 13, 15, 40])
def test_boundaries_lie_where_their_fractions_do(digits: int) -> None:
    """Small totals in machine words, large ones in Python's: both as exact arithmetic has them, at 16 + 64 bits."""
    rng = random.Random(digits)
    for _ in range(200):
        weights = [rng.choice((0, 1, rng.randrange(10**digits))) for _ in range(rng.randint(1, 8))]
        of = Leaves((*weights, 1))
        places = [Fraction(place, of.total) for place in accumulate(of.weights[:-1])]
        at = traffic_vector._edges(of)
        assert at.first.tolist() == [ceil(place * 2**16) for place in places]
        assert at.home.tolist() == [floor(place * 2**16) for place in places]
        assert at.floors.tolist() == [floor(place * 2**80) % 2**64 for place in places]
        assert at.whole.tolist() == [(place * 2**80).denominator == 1 for place in places]
