"""Labels along an axis of time never lie over another, nor over the stem of one above."""

from hypothesis import given
from hypothesis import strategies as st

from meshsim.report.labels import Rows, Ruler, first_fitting

LABELS = st.lists(st.tuples(st.integers(0, 100), st.integers(1, 40)), max_size=20, unique_by=lambda label: label[0])


@given(LABELS)
def test_labels_and_stems_keep_clear_of_each_other(labels: list[tuple[int, int]]) -> None:
    rows = Rows()
    placed = [(t, t + width, rows.place(t, t + width, stem=t)) for t, width in sorted(labels, reverse=True)]
    for begin, end, row in placed:
        for other, until, below in placed:
            if (other, below) != (begin, row):
                assert below != row or end <= other or until <= begin
                assert below >= row or not other < begin < until
    assert rows.count == len({row for _, _, row in placed})


def test_a_text_that_does_not_fit_gives_way_to_a_shorter_one() -> None:
    ruler = Ruler(seconds=100.0, points=500.0)
    texts = ("step 1/3 Paused", "1/3")
    fitting = [first_fitting(texts, room, lambda text: ruler.width(text, 8.0)) for room in (20.0, 3.0, 1.0)]
    assert fitting == ["step 1/3 Paused", "1/3", ""]
