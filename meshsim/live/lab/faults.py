"""What can keep the lab from an answer. None of it says anything about the model."""

from typing import final

from meshsim.model.errors import MeshsimError


@final
class LabMissing(MeshsimError):
    """This machine cannot run the lab (exit 3)."""

    exit_code = 3


@final
class LabFault(MeshsimError):
    """The lab broke: a process ended, refused its configuration, or counted differently from the clients (exit 70)."""

    exit_code = 70
