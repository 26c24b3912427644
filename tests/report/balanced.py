"""Reads HTML strictly."""

from html.parser import HTMLParser

EMPTY = {"br", "meta"}


class Balanced(HTMLParser):
    """Collects tags, and complains about one that does not close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, self.getpos()


def tags(html: str) -> set[str]:
    parser = Balanced()
    parser.feed(html)
    assert not parser.open
    return parser.seen
