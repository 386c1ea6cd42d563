"""What the command line of a run and of a benchmark says, or refuses."""

import argparse

import pytest
import torch

from ktlib.companion import asked


def test_a_device_that_is_not_there_is_refused_in_a_sentence(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert asked.usable_device("cpu") == "cpu"
    for name, said in (("cuda", "expected a CUDA device, found none"), ("tpu", "expected cpu or cuda, found 'tpu'")):
        with pytest.raises(argparse.ArgumentTypeError, match=said):
            asked.usable_device(name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert asked.usable_device("cuda") == "cuda"
