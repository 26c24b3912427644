"""What can go wrong, as sentences that name the value, the place and the way out.

```
MeshsimError
├── UsageError        options or a moment that make no sense          exit 2
├── InputError        input missing, unreadable or invalid            exit 3
└── Bug               ours                                            exit 70
```
"""

from typing import ClassVar, final

from meshsim.model.evidence import Evidence


class MeshsimError(Exception):
    """An error that the command line prints as one sentence, without a traceback."""

    exit_code: ClassVar[int] = 70

    def __init__(self, message: str, *, where: Evidence | None = None, hint: str = "") -> None:
        self.message = message
        self.where = where
        self.hint = hint
        super().__init__(str(self))

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where is not None else ""
        hint = f"\n  → {self.hint}" if self.hint else ""
        return f"{place}{self.message}{hint}"


@final
class UsageError(MeshsimError):
    """The command was called in a way that cannot be answered (exit 2)."""

    exit_code = 2


class InputError(MeshsimError):
    """Input is missing, unreadable or invalid (exit 3)."""

    exit_code = 3


class MalformedError(InputError, ValueError):
    """A value that a pure function cannot take: of the wrong kind, or none of those that there are."""


@final
class InputErrors(InputError):
    """Several independent input errors, reported together."""

    def __init__(self, errors: tuple[InputError, ...]) -> None:
        self.errors = errors
        super().__init__("\n".join(str(error) for error in errors))


@final
class Bug(MeshsimError):
    """Something that must not happen, whatever the input (exit 70)."""

    exit_code = 70


def raise_all(errors: list[InputError]) -> None:
    """Raise what there is to raise: one error, or several together."""
    flat = tuple(one for error in errors for one in (error.errors if isinstance(error, InputErrors) else (error,)))
    if flat:
        raise flat[0] if len(flat) == 1 else InputErrors(flat)
