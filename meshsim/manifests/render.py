"""Kustomize and Helm, rendered by the user's own programs.

What it takes to run programs is imported where one is run: most scenarios need none.
"""

import os
from collections.abc import Sequence
from typing import Final

from meshsim.model.errors import InputError
from meshsim.model.evidence import Evidence, Source

TIMEOUT: Final = 120.0
"""Seconds; a remote base or chart may have to be fetched."""

KUSTOMIZATIONS: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")
CHART: Final = "Chart.yaml"


def kustomization_in(directory: str) -> str | None:
    """The kustomization file of a directory, None where it has none."""
    paths = (os.path.join(directory, name) for name in KUSTOMIZATIONS)
    return next((path for path in paths if os.path.isfile(path)), None)


def is_chart(directory: str) -> bool:
    """Whether a directory is a Helm chart."""
    return os.path.isfile(os.path.join(directory, CHART))


def kustomize(directory: str) -> tuple[bytes, str]:
    """The rendered stream of a directory, and the name under which its lines are cited."""
    import shlex
    import shutil

    if shutil.which("kubectl"):
        command = ["kubectl", "kustomize", directory]
    elif shutil.which("kustomize"):
        command = ["kustomize", "build", directory]
    else:
        msg = "this directory has a kustomization.yaml, and neither kubectl nor kustomize is installed"
        hint = f"install kubectl, or render it elsewhere: kustomize build {shlex.quote(directory)} > rendered.yaml"
        raise InputError(msg, where=Source(directory), hint=hint)
    return _run(command, Source(directory)), f"kustomize build {directory}"


def helm(
    chart: str, values: Sequence[str], where: Evidence, *, release: str = "", namespace: str = ""
) -> tuple[bytes, str]:
    """The rendered chart, and the name under which its lines are cited."""
    import shlex
    import shutil

    command = helm_command(chart, values, release=release, namespace=namespace)
    if not shutil.which("helm"):
        msg = "this needs helm, which is not installed"
        hint = f"install it, or render elsewhere: {shlex.join(command)} > rendered.yaml"
        raise InputError(msg, where=where, hint=hint)
    return _run(command, where), shlex.join(command)


def helm_command(chart: str, values: Sequence[str] = (), *, release: str = "", namespace: str = "") -> list[str]:
    """The `helm template` command for a chart.

    >>> helm_command("charts/app", ["prod.yaml"])
    ['helm', 'template', 'app', 'charts/app', '--values', 'prod.yaml']
    """
    name = release or os.path.basename(os.path.normpath(chart))
    options = [option for path in values for option in ("--values", path)]
    return ["helm", "template", name, chart, *options, *(["--namespace", namespace] if namespace else [])]


def refused_chart(directory: str) -> InputError:
    """A chart where manifests are wanted, with the way out."""
    import shlex

    command = shlex.join(helm_command(directory))
    return InputError(
        "this directory is a Helm chart, and its templates are no manifests",
        where=Source(directory),
        hint=f"pipe it: {command} | meshsim run --cluster NAME=-; or in a scenario: {{helm: {directory}, values: []}}",
    )


def _run(command: list[str], where: Evidence) -> bytes:
    import shlex
    import subprocess

    shown = shlex.join(command)
    try:
        done = subprocess.run(command, capture_output=True, timeout=TIMEOUT, stdin=subprocess.DEVNULL, check=False)  # noqa: S603  (no shell, no user text as program)
    except subprocess.TimeoutExpired:
        msg = f"`{shown}` took more than {TIMEOUT:g} s"
        raise InputError(msg, where=where) from None
    except OSError as error:
        msg = f"`{shown}` cannot be run: {error.strerror}"
        raise InputError(msg, where=where) from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip() or "it said nothing"
        msg = f"`{shown}` failed: {said}"
        raise InputError(msg, where=where)
    return done.stdout
