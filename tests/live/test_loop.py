"""A loop of requests as one argument list: nothing in a call can become another option, file, shell word or line."""

import pytest

from meshsim.live.loop import Unsendable, curl, header, replies, url


def words(path: str = "/", headers: dict[str, str] | None = None, connection: str = "new") -> list[str]:
    return curl("shop.svc", 80, path, headers or {}, connection=connection, number=3, timeout=5, mark="M")


def test_one_argument_carries_the_url_and_the_number_of_requests():
    assert words("/hello")[-1] == "http://shop.svc:80/hello#[1-3]"


def test_a_new_connection_each_is_asked_for_and_keep_alive_is_left_alone():
    assert "Connection: close" in words()
    assert "Connection: close" not in words(connection="keep-alive")


@pytest.mark.parametrize("host", ["-oProxyCommand=x", "a b", "a/b", "a@b", "a#b", "", "a'b", "$(id)", "{a,b}", "[1-9]"])
def test_a_host_that_could_be_anything_else_is_not_sent(host: str):
    with pytest.raises(Unsendable):
        url(host, 80, "/")


@pytest.mark.parametrize("path", ["hello", "/a b", "/a\nb", "/a#b", "/ä", "/a\x00"])
def test_a_path_that_a_request_line_cannot_carry_is_not_sent(path: str):
    with pytest.raises(Unsendable):
        url("shop", 80, path)


def test_curls_own_patterns_in_a_path_stay_text():
    assert url("shop", 80, "/{a,b}[1-9]\\") == r"http://shop:80/\{a,b\}\[1-9\]\\"


@pytest.mark.parametrize(
    ("name", "value"), [("@/etc/passwd", "x"), ("a b", "x"), ("a:", "x"), ("a", "x\r\nb: y"), ("", "")]
)
def test_a_header_that_would_be_a_file_or_another_line_is_not_sent(name: str, value: str):
    with pytest.raises(Unsendable):
        header(name, value)


def test_the_authority_is_the_host_header():
    assert header(":authority", "shop.example") == "Host: shop.example"


def test_answers_are_told_apart_by_the_mark_and_not_by_what_they_hold():
    out = b"HTTP/1.1 200 OK\r\n\r\nx M 200 1 0\nhello\nM2 200 1 0\n\nM 200 1 0\n\nM 000 0 7\n"
    found = list(replies(out, "M"))
    assert [(r.code, r.exit, r.connected) for r in found] == [("200", 0, True), ("000", 7, False)]
    assert found[0].text.endswith("x M 200 1 0\nhello\nM2 200 1 0\n")


def test_an_answer_without_its_mark_is_none():
    assert list(replies(b"HTTP/1.1 200 OK\r\n\r\nhello", "M")) == []


@pytest.mark.parametrize(
    ("code", "said"), [(6, "nxdomain"), (7, "refused"), (28, "timeout"), (56, "reset"), (3, "000")]
)
def test_what_curl_could_not_do_is_said_in_the_models_words(code: int, said: str):
    assert next(iter(replies(f"\nM 000 0 {code}\n".encode(), "M"))).error == said
