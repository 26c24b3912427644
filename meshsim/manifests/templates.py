"""Templates that nobody rendered, told from manifests that merely quote one."""

import re
from typing import Final

from meshsim.model.errors import InputError
from meshsim.model.evidence import Evidence, Source

RENDER: Final = "render it first, e.g. `helm template CHART | meshsim run --cluster NAME=-`"

SUBSTITUTE: Final = "substitute it first, e.g. `envsubst < FILE | meshsim run --cluster NAME=-`"

HELM: Final = re.compile(r"\{\{-?\s*(?:\.(?:Values|Release|Chart|Capabilities|Files)\b|include\s|template\s|tpl\s)")
"""What only Helm renders: other `{{…}}` in a quoted text are Argo's or Prometheus's own."""
HELM_BYTES: Final = re.compile(HELM.pattern.encode())
PLACEHOLDER: Final = re.compile(r"\{\{|\$\{|\$\(")
"""What no name or label can hold, of any templating."""

_BRACES: Final = re.compile(rb"\{\{|\{%")


def template_at(line: bytes, at: int, file: str) -> InputError | None:
    """The error for a line of a file that is not YAML because it is a template; `at` counts from 0."""
    if not _BRACES.search(line):
        return None
    return unrendered(line.strip().decode("utf-8", "replace"), Source(file, at + 1))


def unrendered(text: str, where: Evidence) -> InputError:
    """The error for a template where a value is wanted."""
    shown = text if len(text) <= 60 else f"{text[:59]}…"
    return InputError(f"this is a template that was not rendered: {shown}", where=where, hint=way_out(text))


def way_out(text: str) -> str:
    """How to render a text with this placeholder."""
    return RENDER if "{" in text.replace("${", "") else SUBSTITUTE
