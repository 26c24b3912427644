#!/bin/sh
# Makes .venv beside this file with meshsim and everything its tests need. Safe to run again.
# A bare Debian has python3 without the venv module: it is installed where we may, else you are told how.
set -eu
cd "$(dirname "$0")"
say() { printf '%s\n' "$*" >&2; }

python=""
for candidate in python3.13 python3.12 python3.11 python3; do
    if command -v "$candidate" >/dev/null 2>&1 &&
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || { say "meshsim needs Python 3.11 or newer: apt-get install python3"; exit 1; }

if [ ! -x .venv/bin/pip ]; then
    rm -rf .venv
    if ! "$python" -m venv .venv >/dev/null 2>&1; then
        rm -rf .venv
        root=""
        [ "$(id -u)" -eq 0 ] || root="sudo"
        say "installing python3-venv"
        $root apt-get -qq update && $root apt-get -qq install -y python3-venv >/dev/null ||
            { say "cannot make a virtual environment: install python3-venv and run this again"; exit 1; }
        "$python" -m venv .venv
    fi
fi

stamp=.venv/installed-for
wanted=$(cksum pyproject.toml)
if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ]; then
    .venv/bin/pip install --quiet --disable-pip-version-check --editable '.[dev]'
    printf '%s\n' "$wanted" >"$stamp"
fi
