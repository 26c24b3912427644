"""PyYAML's own composer, for machines on which it was built without libyaml: slower, the same nodes."""

from typing import Any

from yaml.composer import Composer
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner


class PureComposer(Reader, Scanner, Parser, Composer):
    """What `yaml.cyaml.CParser` does, in Python."""

    def __init__(self, stream: Any) -> None:
        Reader.__init__(self, stream)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
