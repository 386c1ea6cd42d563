"""The phrases of the five findings: ten each, all different, none of another class."""

import pytest

from ktlib.data import finding_prompts


def test_every_finding_has_ten_phrases_and_no_phrase_stands_twice():
    everything = [phrase for finding in finding_prompts.FINDINGS for phrase in finding_prompts.prompts(finding)]
    assert tuple(finding_prompts.PROMPTS) == finding_prompts.FINDINGS
    assert all(len(phrases) == finding_prompts.COUNT for phrases in finding_prompts.PROMPTS.values())
    assert len(set(everything)) == len(everything)


def test_phrases_are_whole_prompts_without_a_place_for_a_name():
    assert not any("{" in phrase for phrases in finding_prompts.PROMPTS.values() for phrase in phrases)


def test_a_finding_without_phrases_is_named():
    with pytest.raises(KeyError, match="expected a finding of Atelectasis, .*found 'Fracture'"):
        finding_prompts.prompts("Fracture")
