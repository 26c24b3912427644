"""The user's programs that some tests call for real."""

import json
import shutil
import subprocess


def kubectl_minor() -> int:
    """The minor version of the kubectl here, 0 where there is none."""
    if shutil.which("kubectl") is None:
        return 0
    asked = ["kubectl", "version", "--client", "-o", "json"]
    ran = subprocess.run(asked, capture_output=True, text=True, check=False)
    minor = json.loads(ran.stdout or "{}").get("clientVersion", {}).get("minor", "0")
    return int("".join(c for c in minor if c.isdigit()) or 0)
