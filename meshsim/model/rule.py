"""A behaviour with its name, one sentence, and the source that says so."""

from typing import final

from meshsim.model.frozen import record


@final
@record
class Rule:
    """`name` is `component.behaviour`; `source` names a file, a document section or a measurement."""

    name: str
    sentence: str
    source: str


RULES: dict[str, Rule] = {}


def rule(name: str, sentence: str, source: str) -> Rule:
    """Declare a rule; names are unique."""
    if name in RULES:
        msg = f"rule {name} is declared twice"
        raise ValueError(msg)
    RULES[name] = Rule(name, sentence, source)
    return RULES[name]
