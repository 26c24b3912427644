from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from meshsim.analysis.diagram import Diagram

SIZES = (2, 3, 2, 2)
POINTS = list(product(*(range(size) for size in SIZES)))


def tree(table: dict[tuple[int, ...], int], order: list[int], path: tuple[tuple[int, int], ...] = ()) -> list:
    """A tree that asks of every setting in an order, as leaves."""
    if not order:
        taken = dict(path)
        return [(path, table[tuple(taken[i] for i in range(len(SIZES)))])]
    return [leaf for v in range(SIZES[order[0]]) for leaf in tree(table, order[1:], (*path, (order[0], v)))]


@given(st.lists(st.integers(0, 1), min_size=len(POINTS), max_size=len(POINTS)), st.permutations(range(len(SIZES))))
def test_a_diagram_asks_of_what_the_function_depends_on_and_of_nothing_else(ends: list[int], order: list[int]) -> None:
    table = dict(zip(POINTS, ends, strict=True))
    depends = {
        i
        for i in range(len(SIZES))
        for p in POINTS
        for v in range(SIZES[i])
        if table[p] != table[(*p[:i], v, *p[i + 1 :])]
    }
    diagram = Diagram(SIZES)
    assert set(diagram.asked(diagram.of(tree(table, order)))) == depends


@given(st.lists(st.integers(0, 2), min_size=len(POINTS), max_size=len(POINTS)), st.permutations(range(len(SIZES))))
def test_the_order_of_asking_makes_no_other_diagram(ends: list[int], order: list[int]) -> None:
    table = dict(zip(POINTS, ends, strict=True))
    diagram = Diagram(SIZES)
    assert diagram.of(tree(table, order)) == diagram.of(tree(table, [0, 1, 2, 3]))
