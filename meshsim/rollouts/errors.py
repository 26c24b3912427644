"""Why a Rollout does not proceed, in the controller's own words."""

from typing import final

from meshsim.model.errors import InputError

NOT_FOUND = "not-found"
NOT_NAMED = "not-named"
NOT_ADMITTED = "not-admitted"
INVALID_SPEC = "invalid-spec"
DELAYED = "delayed"
NOT_MODELLED = "not-modelled"


@final
class RolloutError(InputError):
    """The controller (or its plugin) fails a sync with `message`.

    `reason` says what kind it is: `not-found` (an object the Rollout names does not exist), `not-named` (a route does
    not name both services or subsets), `not-admitted` (the API server refuses what is written), `invalid-spec`,
    `delayed` (it waits for pods and tries again), `not-modelled`. All but the last two are what the contract calls
    "cannot execute" (MS404).
    """

    def __init__(self, message: str, *, reason: str, hint: str = "") -> None:
        self.reason = reason
        super().__init__(message, hint=hint)

    @property
    def cannot_execute(self) -> bool:
        """Whether waiting would not help."""
        return self.reason in {NOT_FOUND, NOT_NAMED, NOT_ADMITTED, INVALID_SPEC}
