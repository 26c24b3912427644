"""Workflow commands: annotations that GitHub shows beside the lines of a pull request.

Source: GitHub docs, Workflow commands for GitHub Actions, "Setting an error message".
"""

from typing import Final, final

from meshsim.model.evidence import Source
from meshsim.model.verdict import Answer
from meshsim.report.formats import Heading, Paper
from meshsim.report.incidents import Incident, incidents
from meshsim.report.view import answer_view


@final
class GithubPrinter:
    """The `github` format: an annotation a finding, and a line that sums up."""

    def answer(self, found: Answer, heading: Heading, paper: Paper) -> str:
        lines = [_annotation(one) for one in incidents(found, heading)]
        view = answer_view(found, heading)
        counts = ", ".join(f"{number} {verdict}" for verdict, number in view.counts) or "no calls"
        checks = f"; {view.held} of {view.checks} expectations hold" if view.checks else ""
        return "\n".join([*lines, f"meshsim: {view.scenario}: {counts}{checks}"]) + "\n"


GITHUB: Final = GithubPrinter()


def _annotation(one: Incident) -> str:
    level = "error" if one.fails else "notice" if one.known else "warning"
    known = " (in the baseline)" if one.known else ""
    return command(level, one.title + known, one.text, one.place)


def command(level: str, title: str, text: str, place: Source | None) -> str:
    """One annotation: `level` is error, warning or notice."""
    at = {} if place is None or place.path in {"", "standard input"} else _place(place)
    properties = ",".join(f"{key}={_property(value)}" for key, value in {**at, "title": title}.items())
    return f"::{level} {properties}::{_data(text)}"


def _place(place: Source) -> dict[str, str]:
    found = {"file": place.path}
    if place.line:
        found["line"] = str(place.line)
    if place.column:
        found["col"] = str(place.column)
    return found


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
