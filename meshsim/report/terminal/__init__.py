"""Answers for a terminal, and the same words in plain columns for a pipe. The only package that imports rich."""

from typing import Final, final

from rich.console import RenderableType
from rich.text import Text

from meshsim.model.reasons import Reason
from meshsim.model.verdict import Answer, Explanation
from meshsim.report.formats import Heading, Paper
from meshsim.report.hops import explanation_view
from meshsim.report.terminal import answers, explanations
from meshsim.report.terminal.sheet import grid, printed, words
from meshsim.report.view import answer_view


@final
class TerminalPrinter:
    """The `table` format."""

    def answer(self, found: Answer, heading: Heading, paper: Paper) -> str:
        return printed(answers.lines_of(answer_view(found, heading), paper), paper)

    def explanations(self, found: tuple[Explanation, ...], heading: Heading, paper: Paper) -> str:
        parts: list[RenderableType] = []
        for one in found:
            parts += [Text(""), Text("")] if parts else []
            parts += explanations.lines_of(explanation_view(one), paper)
        return printed(parts or [Text("No Rollout governs this call.")], paper)

    def reasons(self, found: tuple[Reason, ...], paper: Paper) -> str:
        table = grid(3)
        for reason in found:
            table.add_row(words((reason.code, "bold")), words((reason.slug, "cyan")), words(reason.meaning))
        return printed([table], paper)


TABLE: Final = TerminalPrinter()


def page(markdown: str, paper: Paper) -> str:
    """A page of text in Markdown, laid out on a terminal, as it stands in a pipe."""
    if not paper.drawn:
        return markdown
    from rich.markdown import Markdown

    return printed([Markdown(markdown, hyperlinks=False)], paper)
