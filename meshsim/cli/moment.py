"""`--at`: a moment as people type it."""

import re
from typing import Final

from meshsim.model.errors import UsageError

_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")
_ALLOWED: Final = (
    "write seconds (240), a duration (240s, 4m, 1h30m), a sync of an instant (60s#3), step:2, or weight:25"
)


def moment(text: str) -> float | str:
    """Seconds since the start, or `step:N`, `weight:W`, `60s#3` as they stand. Raises UsageError.

    >>> moment("4m"), moment("240"), moment("step:2"), moment("60#3")
    (240.0, 240.0, 'step:2', '60s#3')
    """
    from meshsim.scenario.notation import Unfit
    from meshsim.scenario.notation import moment as noted

    time, mark, sync = text.strip().partition("#")
    if _NUMBER.fullmatch(time):
        time += "s"
    try:
        found = noted(time + mark + sync)
    except Unfit:
        msg = f"--at {text!r} is no moment"
        raise UsageError(msg, hint=_ALLOWED) from None
    kind, _, number = found.partition(":") if isinstance(found, str) else ("", "", "")
    if kind == "weight" and int(number) > 100:
        msg = f"--at {text!r}: a weight is at most 100"
        raise UsageError(msg, hint=_ALLOWED)
    return found
