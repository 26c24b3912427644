"""argparse as meshsim speaks: errors are sentences with a way out, and nothing is abbreviated."""

import argparse
from typing import NoReturn, final

from meshsim.model.errors import UsageError


@final
class Parser(argparse.ArgumentParser):
    """A verb's parser. Its errors are UsageErrors (exit 2)."""

    def __init__(self, prog: str, description: str | None, epilog: str) -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        unknown, _, rest = message.partition("unrecognized arguments: ")
        if rest and not unknown:
            msg = f"{self.prog} does not know {rest}"
            raise UsageError(msg, hint=self._instead(rest.split()[0]))
        msg = f"{self.prog}: {message.replace('argument ', '', 1)}"
        raise UsageError(msg, hint=f"see {self.prog} --help")

    def _instead(self, word: str) -> str:
        from difflib import get_close_matches

        known = [option for action in self._actions for option in action.option_strings]
        near = get_close_matches(word.partition("=")[0], known, n=1) if word.startswith("-") else []
        return f"did you mean {near[0]}?" if near else f"see {self.prog} --help"
