from importlib import resources

import pytest

from meshsim.model.reasons import REASONS, find, named
from meshsim.report.causes import TOPICS
from meshsim.report.formats import FORMATS, printer

PAGES = {code: resources.files("meshsim.reasons").joinpath(f"{code}.md").read_text("utf-8") for code in REASONS}


@pytest.mark.parametrize("code", REASONS)
def test_every_code_has_a_page_with_what_why_example_fix_source_and_confidence(code: str) -> None:
    page = PAGES[code]
    assert page.startswith(f"# {named(code)}\n")
    headings = [line[3:] for line in page.splitlines() if line.startswith("## ")]
    assert headings == ["What", "Why it happens", "Example", "Fix", "Source", "Confidence"]
    assert "kubectl" in page or "istioctl" in page or "curl" in page


@pytest.mark.parametrize("code", REASONS)
def test_pages_cite_public_sources_only(code: str) -> None:
    for private in ("solo.md", "istio.md", "argo.md", "ENVOY-LAB", "SEED", "semantics/", "CONTRACT"):
        assert private not in PAGES[code]


def test_there_is_no_page_without_a_code() -> None:
    pages = {entry.name for entry in resources.files("meshsim.reasons").iterdir() if entry.name.endswith(".md")}
    assert pages == {f"{code}.md" for code in REASONS}


def test_codes_and_slugs_are_unique_and_found_either_way() -> None:
    assert len({reason.slug for reason in REASONS.values()}) == len(REASONS)
    assert find("masked") == find("MS401") == REASONS["MS401"]
    assert find("MS999") is None


def test_topics_are_of_known_codes() -> None:
    assert set(TOPICS) <= set(REASONS)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_can_print_everything(name: str) -> None:
    found = printer(name)
    assert all(callable(getattr(found, what)) for what in ("answer", "explanations", "reasons"))
