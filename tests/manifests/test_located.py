import gc
import pickle
from typing import Any

import pytest

from meshsim.manifests import located
from meshsim.manifests.located import Located, documents
from meshsim.model.errors import InputError
from meshsim.model.evidence import Source

TEXT = """\
# a comment
apiVersion: v1
metadata:
  labels:
    app: helloworld
  empty:
spec:
  ports:
  - name: http
    port: 5000
  flow: {a: [1, two]}
"""


def one(text: str | bytes) -> Located:
    [document] = documents(text, "f.yaml")
    return document


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        ((), 2, 1),
        (("apiVersion",), 2, 13),
        (("metadata",), 3, 1),
        (("metadata", "labels"), 4, 3),
        (("metadata", "labels", "app"), 5, 10),
        (("metadata", "empty"), 6, 3),
        (("spec", "ports"), 8, 3),
        (("spec", "ports", 0), 9, 5),
        (("spec", "ports", 0, "port"), 10, 11),
        (("spec", "flow", "a", 1), 11, 17),
    ],
)
def test_every_value_has_its_place_also_after_pickling(path: tuple[str | int, ...], line: int, column: int) -> None:
    document = one(TEXT)
    assert document.place(path) == Source("f.yaml", line, column)
    copy = pickle.loads(pickle.dumps(document))
    assert copy.value == document.value
    assert copy.place(path) == Source("f.yaml", line, column)


def test_an_absent_value_stands_at_its_nearest_ancestor() -> None:
    assert one(TEXT).place(("metadata", "annotations", "a")) == Source("f.yaml", 3, 1)
    assert one(TEXT).place(("spec", "ports", 7, "port")) == Source("f.yaml", 8, 3)


def test_a_key_has_its_own_place() -> None:
    assert one(TEXT).key_place(("metadata", "labels", "app")) == Source("f.yaml", 5, 5)


def test_lines_go_on_counting_over_documents() -> None:
    found = documents("a: 1\n---\n# nothing\n---\nb: 2\n", "f")
    assert [document.value for document in found] == [{"a": 1}, None, {"b": 2}]
    assert found[2].place(("b",)) == Source("f", 5, 4)


@pytest.mark.parametrize("text", ["", "\n", "# a comment\n", "---\n", "--- # a\n---\n"])
def test_a_text_without_content_has_no_values(text: str) -> None:
    assert [document.value for document in documents(text, "f") if document.value is not None] == []


def test_byte_order_mark_and_windows_lines_are_read() -> None:
    document = one(b"\xef\xbb\xbfa: 1\r\nb:\r\n  c: 2\r\n")
    assert document.value == {"a": 1, "b": {"c": 2}}
    assert document.place(("b", "c")) == Source("f.yaml", 3, 6)


def test_json_is_yaml_also_with_tabs_and_surrogate_pairs() -> None:
    assert one('{\n\t"a": "\\ud83d\\ude00\\/",\n\t"b": [1.5, true, null]\n}').value == {
        "a": "😀/",
        "b": [1.5, True, None],
    }


def test_aliases_share_and_merges_yield_to_own_keys() -> None:
    document = one("base: &b {a: 1, b: 2}\nown:\n  <<: *b\n  b: 3\nlist:\n  <<: [*b, {c: 4}]\n")
    assert document.value["own"] == {"a": 1, "b": 3}
    assert document.value["list"] == {"a": 1, "b": 2, "c": 4}
    assert document.place(("own", "a")) == Source("f.yaml", 1, 14)
    assert pickle.loads(pickle.dumps(document)).place(("own", "a")) == Source("f.yaml", 1, 14)


@pytest.mark.parametrize("text", ["[" * 100_000, "- " * 100_000, "{a: " * 100_000, "[" * 300 + "]" * 300])
def test_depth_has_a_limit(text: str) -> None:
    with pytest.raises(InputError, match="nested"):
        documents(text, "f")


def test_a_string_full_of_closing_brackets_does_not_hide_depth() -> None:
    with pytest.raises(InputError, match="nested"):
        documents('["' + "]" * 1000 + '", ' + "[" * 1000 + "]" * 1001, "f")


def test_files_that_are_no_utf_8_are_refused() -> None:
    with pytest.raises(InputError, match="UTF-8"):
        documents(b"a: \xff\xfe\xfa", "f")


def test_garbage_collection_is_on_again_afterwards() -> None:
    documents("a: 1", "f")
    assert gc.isenabled()
    with pytest.raises(InputError):
        documents("a: [", "f")
    assert gc.isenabled()


@pytest.mark.parametrize("text", ["<<: on", "<<:", "<<: [1]"])
def test_a_merge_takes_mappings_only(text: str) -> None:
    with pytest.raises(InputError):
        documents(text, "f")


def test_the_pure_python_composer_builds_the_same_nodes() -> None:
    from meshsim.manifests.construct import Constructor
    from meshsim.manifests.pure import PureComposer

    hooks = {name: value for name, value in vars(located._Parser).items() if not name.startswith("__")}
    parser: Any = type("Parser", (PureComposer,), hooks)(TEXT)
    assert parser.check_node()
    node = parser.get_node()
    document = Located(Constructor("f.yaml", TEXT.encode()).document(node), node, "f.yaml")
    assert document.value == one(TEXT).value
    assert document.place(("spec", "ports", 0, "port")) == Source("f.yaml", 10, 11)
