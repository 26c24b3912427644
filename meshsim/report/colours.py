"""One colour a verdict, dark enough for white letters on it and for lines on white; teal and red stay apart for
people who do not see green."""

from typing import Final

from meshsim.model.verdict import Verdict

COLOURS: Final = {
    Verdict.APPLIED: "#1f7a8c",
    Verdict.ELSEWHERE: "#3b6fb6",
    Verdict.SKEWED: "#9a6700",
    Verdict.PARTIAL: "#bc4c00",
    Verdict.BYPASSED: "#c8102e",
    Verdict.FAILING: "#8f0d22",
    Verdict.UNGOVERNED: "#5f6b76",
    Verdict.UNDETERMINED: "#7a4fbf",
}
