"""The contested defaults: what was chosen, what else is said, and by whom."""

from collections.abc import Iterable

from meshsim.model.questions import QUESTIONS
from meshsim.model.trace import Path
from meshsim.model.verdict import Assumption


def assumption(key: str, chosen: str) -> Assumption:
    """One contested default as a row."""
    question, readings, source = QUESTIONS[key]
    alternatives = tuple(reading for reading in readings if reading != chosen)
    return Assumption(question=f"{key}: {question}", chosen=chosen, alternatives=alternatives, source=source)


def of_paths(paths: Iterable[Path]) -> tuple[Assumption, ...]:
    """The contested defaults that a trace rests on, by its steps' marks."""
    found: dict[tuple[str, str], None] = {}
    for path in paths:
        for step in path.steps:
            for tag in sorted(step.tags):
                if tag.startswith("assumed:"):
                    key, _, value = tag.removeprefix("assumed:").partition("=")
                    found[key, value] = None
    return tuple(assumption(key, value) for key, value in found)
