"""Every bad input has its exact message: `NAME.yaml` beside `NAME.txt`. `scenario-*` are scenarios."""

from pathlib import Path

import pytest

from meshsim.model.errors import InputError
from meshsim.scenario.load import from_clusters, load

HERE = Path(__file__).parent
CASES = sorted(path.name for path in HERE.glob("*.yaml"))


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_refused_with_its_exact_message(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    with pytest.raises(InputError) as raised:
        load(case) if case.startswith("scenario-") else from_clusters({"cluster1": case})
    assert f"{raised.value}\n" == Path(case).with_suffix(".txt").read_text(encoding="utf-8")


def test_every_message_belongs_to_an_input() -> None:
    assert [path.with_suffix(".yaml").name for path in sorted(HERE.glob("*.txt"))] == CASES
