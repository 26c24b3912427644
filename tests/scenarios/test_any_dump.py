"""Dumps are untrusted: whatever stands in one, there is an answer or a sentence."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from meshsim.model.errors import InputError
from meshsim.session import Session, load

Make = Callable[..., tuple[Session, str | None]]
JUNK: tuple[Any, ...] = (
    *(None, 7, -1, 1e99, True, "", "x", "*", "(", "\u202e", "10.0.0.1:99999999", "outbound|80|x|y"),
    *([], {}, [{}], {"a": 1}, ["*"], {"exact": "("}, {"regex": "(?<=x)"}),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from places(value[key], (*path, key))


def spoilt(text: str, chance: Random) -> str:
    """A dump in which one or two values are something else, or missing."""
    dump = json.loads(text)
    for _ in range(chance.choice((1, 2))):
        *way, last = chance.choice(list(places(dump)))
        there = dump
        for step in way:
            there = there[step]
        if isinstance(there, dict) and chance.random() < 0.3:
            del there[last]
        else:
            there[last] = chance.choice(JUNK)
    return json.dumps(dump)


@pytest.mark.parametrize("name", ["canary-gateway-api", "istio-sidecars", "istio-subset-diluted-at-the-gateway"])
def test_a_spoilt_dump_is_an_answer_or_a_sentence(dumped: Make, tmp_path: Path, name: str) -> None:
    _, moment = dumped(name, kinds=("ztunnel", "envoy"))
    files = sorted((tmp_path / name).glob("*.json"))
    told, sentences = 0, []
    for seed in range(60):
        chance = Random(seed)
        file = chance.choice(files)
        whole = file.read_text()
        file.write_text(spoilt(whole, chance))
        try:
            assert load(tmp_path / name).verdicts(moment)
            told += 1
        except InputError as error:
            sentences.append(str(error))
        finally:
            file.write_text(whole)
    assert told > 10
    assert all(tmp_path.name in said or "scenario" in said for said in sentences), sentences
