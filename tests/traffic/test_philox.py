"""Our Philox is numpy's, bit for bit; numpy's is Random123's."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from meshsim.simulation.philox import block, words
from meshsim.simulation.streams import Purpose, Stream, stream

WORD = st.integers(0, 2**64 - 1)


def test_block_is_the_known_answer_of_random123_for_zeros() -> None:
    # Random123 1.14, tests/kat_vectors: philox4x64 10, counter 0, key 0.
    assert block((0, 0), (0, 0, 0, 0)) == (
        0x16554D9ECA36314C,
        0xDB20FE9D672D0FDC,
        0xD7E772CEE186176B,
        0x7E68B68AEC7BA23B,
    )


def test_block_is_the_known_answer_of_random123_for_ones() -> None:
    ones = 2**64 - 1
    assert block((ones, ones), (ones, ones, ones, ones)) == (
        0x87B092C3013FE90B,
        0x438C3C67BE8D0224,
        0x9CC7D7C69CD777B6,
        0xA09CAEBF594F0BA0,
    )


@given(st.tuples(WORD, WORD), st.tuples(WORD, WORD, WORD), st.integers(0, 50))
@settings(max_examples=100, deadline=None)
def test_words_are_those_of_numpy_at_any_key_counter_and_offset(
    key: tuple[int, int], high: tuple[int, int, int], start: int
) -> None:
    theirs = np.random.Philox(key=np.array(key, np.uint64), counter=np.array((0, *high), np.uint64)).random_raw(80)
    ours = words(key, start, high)
    assert [next(ours) for _ in range(30)] == theirs[start : start + 30].tolist()


@given(st.tuples(WORD, WORD), st.sampled_from(Purpose))
@settings(max_examples=30, deadline=None)
def test_a_stream_is_numpys_philox_with_the_purpose_as_highest_word(key: tuple[int, int], purpose: Purpose) -> None:
    counter = np.array((0, 0, 0, int(purpose)), np.uint64)
    theirs = np.random.Philox(key=np.array(key, np.uint64), counter=counter).random_raw(12)
    assert [word for number in range(3) for word in Stream(key).block(number, purpose)] == theirs.tolist()


def test_streams_of_other_names_seeds_or_splits_of_names_differ() -> None:
    found = [
        stream(1, "a", "bc"),
        stream(1, "ab", "c"),
        stream(2, "a", "bc"),
        stream(1, "abc"),
        stream(1, "a", "b", "c"),
        stream(1, "a\0bc"),
        stream(1),
    ]
    assert len({one.key for one in found}) == len(found)


def test_a_stream_is_the_same_whatever_was_made_before_it() -> None:
    first = stream(1, "scenario", "cluster2/default/curl", "/")
    for number in range(10):
        stream(1, "scenario", str(number))
    assert stream(1, "scenario", "cluster2/default/curl", "/") == first
