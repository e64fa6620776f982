"""Probes of a tower: which verdicts are cached."""

import pytest

from fpattr_widget.encoders import Findings, Verdict


@pytest.mark.parametrize("holds", [True, False])
def test_a_conclusive_verdict_is_cached(holds):
    findings = Findings()
    assert not findings.known("property")
    assert findings.once("property", lambda: Verdict(holds)) == holds
    assert findings.once("property", lambda: Verdict(not holds)) == holds
    assert findings.known("property") == holds


def test_an_inconclusive_verdict_holds_for_one_input_alone():
    """An input that equals its reference shows nothing about a description's derivative."""
    findings = Findings()
    assert findings.once("property", lambda: Verdict(True, conclusive=False))
    assert not findings.known("property")
    assert not findings.once("property", lambda: Verdict(False))
    assert not findings.once("property", lambda: Verdict(True))
