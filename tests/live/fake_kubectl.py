"""A `kubectl` for tests: answers from a file, and runs the curl of an exec against a server on the loopback.

`$FAKE_KUBECTL` names a JSON file: `get` maps "context resource namespace" to objects, `port` is where every host
leads, `log` where argument lists are noted. What it is not asked to know is forbidden.
"""

import json
import os
import subprocess
import sys


def main(words: list[str]) -> int:
    with open(os.environ["FAKE_KUBECTL"], encoding="utf-8") as file:
        known = json.load(file)
    with open(known["log"], "a", encoding="utf-8") as log:
        log.write(json.dumps(words) + "\n")
    context = next(word.partition("=")[2] for word in words if word.startswith("--context="))
    namespace = next((word.partition("=")[2] for word in words if word.startswith("--namespace=")), "")
    verb = next(word for word in words if not word.startswith("-"))
    if verb == "version":
        print(json.dumps({"clientVersion": {"gitVersion": "v1.32.1"}, "serverVersion": {"gitVersion": "v1.31.4"}}))
        return 0
    if verb == "exec":
        curl = words[words.index("--") + 1 :]
        led = ["--connect-to", f"::127.0.0.1:{known['port']}"]
        return subprocess.run([*curl[:-1], *led, curl[-1]], check=False).returncode
    resource = words[words.index("get") + 1]
    answer = known["get"].get(f"{context} {resource} {namespace}")
    if answer is None:
        print(f'Error from server (Forbidden): {resource} is forbidden: User "me" cannot get it', file=sys.stderr)
        return 1
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
