"""What the README says works."""

import re
from pathlib import Path
from types import SimpleNamespace

import torch
from torchvision.utils import save_image

from ktlib.companion.studies.zoom_shot import laboratory as mappings
from ktlib.pocket import world

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def test_the_lines_a_user_writes_run(tmp_path, monkeypatch):
    folder = tmp_path / "my_pictures"
    folder.mkdir()
    for i, picture in enumerate(world.pictures("moongate", 3)):
        save_image(picture, folder / f"{i}.png")
    monkeypatch.chdir(tmp_path)
    code, _ = re.findall(r"```python\n(.*?)```", README, re.S)
    lines = code.strip().splitlines()
    assert lines[-1].startswith("ktlib.evaluate.zero_shot")
    lines[-1] = f"ranked = {lines[-1]}"
    names: dict = {}
    exec("\n".join(lines), names)
    assert len(names["ranked"]) == 3
    assert all(len(row) == 3 for row in names["ranked"])


def test_the_lines_for_maps_run(monkeypatch):
    """On made-up features: the laboratory itself takes a minute."""
    _, code = re.findall(r"```python\n(.*?)```", README, re.S)
    features = {("pocket/dinov2", "ImageNet"): torch.randn(200, 6), ("clip", "ImageNet"): torch.randn(200, 5)}
    lab = SimpleNamespace(features=features, clip="clip", prompts=torch.randn(7, 5))
    monkeypatch.setattr(mappings, "laboratory", lambda here: lab)
    names: dict = {}
    exec(code, names)
    assert names["maps"].h(features["pocket/dinov2", "ImageNet"]).shape == (200, 5)
    assert names["exact"].h_inverse(features["clip", "ImageNet"]).shape == (200, 6)


def test_every_linked_file_exists():
    for name in ("README.md", "CONTRIBUTING.md", "REPRODUCING.md", "RESULTS.md", "benchmarks/README.md"):
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", (ROOT / name).read_text()):
            assert ((ROOT / name).parent / target).exists(), f"{name}: {target}"


def test_every_decision_that_code_cites_is_written_down():
    decided = set(re.findall(r"^\| (D\d+) ", (ROOT / "REPRODUCING.md").read_text(), re.M))
    for path in (ROOT / "ktlib").rglob("*.py"):
        for cited in re.findall(r"\bD\d+\b", path.read_text()):
            assert cited in decided, f"{path.name} cites {cited}"
