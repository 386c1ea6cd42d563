"""The manifests are valid, invent nothing, show what is not verified, and say what to do about what is missing."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ktlib.data import fixtures, manifests

HERE = Path(manifests.__file__)
FILES = sorted((manifests.MANIFESTS / "datasets").glob("*.json"))
PUBLISHED = manifests.MANIFESTS / "published"

# Digests that a publisher states: torchvision's md5s, and the sha256s in the addresses of openai/CLIP.
KNOWN_MD5 = {"29b22e2961454d5413ddabcf34fc5622", "fa75699e90414af021442c21a62c3abf"}
KNOWN_SHA256 = {
    "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
    "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f",
    "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836",
}


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with no data and no weights."""
    monkeypatch.setenv("KT_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, **__: None)
    return tmp_path / "data"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_dataset_manifest_is_valid_croissant(file: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    metadata = mlcroissant.Dataset(jsonld=json.loads(file.read_text())).metadata
    assert metadata.name == file.stem
    assert metadata.ctx.conforms_to.value.endswith("/1.1")
    assert not metadata.ctx.issues.errors


def test_croissant_s_validator_would_notice_a_broken_manifest() -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    facts = json.loads((manifests.MANIFESTS / "datasets" / "imagenet_1k_val.json").read_text())
    del facts["distribution"][0]["md5"]
    with pytest.raises(mlcroissant.ValidationError, match="md5"):
        mlcroissant.Dataset(jsonld=facts)


def test_no_checksum_is_invented() -> None:
    from ktlib.pocket import world

    text = "".join(path.read_text() for path in [*FILES, manifests.MANIFESTS / "checkpoints.yaml"])
    assert set(re.findall(r"\b[0-9a-f]{64}\b", text)) <= KNOWN_SHA256 | {world.fingerprint()}
    assert set(re.findall(r"\b[0-9a-f]{32}\b", text)) <= KNOWN_MD5


def test_the_md5s_of_imagenet_are_torchvision_s() -> None:
    from torchvision.datasets.imagenet import ARCHIVE_META

    theirs = {name: md5 for kind, (name, md5) in ARCHIVE_META.items() if kind in ("val", "devkit")}
    ours = manifests.dataset("imagenet_1k_val").checksums
    assert {name: entry["md5"] for name, entry in ours.items()} == theirs


def test_the_pocket_world_is_the_one_in_its_manifest() -> None:
    from ktlib.pocket import world

    (entry,) = manifests.dataset("pocket_world").checksums.values()
    assert entry["sha256"] == world.fingerprint(), (
        "the drawn world changed: write the new digest into pocket_world.json"
    )
    assert f"world version {world.VERSION}" in entry["source"]


@pytest.mark.parametrize("name", manifests.datasets())
def test_a_count_that_differs_from_the_official_one_is_a_known_issue(name: str) -> None:
    data = manifests.dataset(name)
    for count in data.n_paper:
        assert count.basis in ("stated", "implied")
        assert count.source
        if count.n != data.n_official:
            assert any(re.search(rf"\b{count.n}\b", issue) for issue in data.known_issues), count


@pytest.mark.parametrize("name", manifests.datasets())
def test_a_dataset_says_what_is_needed_to_get_it_and_what_is_unverified(name: str) -> None:
    data = manifests.dataset(name)
    assert data.access in ("open", "click-through", "registration", "credentialed", "email-request", "unavailable")
    assert data.terms and data.layout and data.how_to_get and data.verified_by
    assert data.unverified or name == "pocket_world"  # nothing was downloaded, so something always is


@pytest.mark.parametrize("name", manifests.checkpoints())
def test_a_checkpoint_agrees_with_open_clip_and_with_its_own_address(name: str) -> None:
    from open_clip import get_model_config, get_pretrained_cfg

    entry = manifests.checkpoint(name)
    theirs = get_pretrained_cfg(**{"model": entry.open_clip["model"], "tag": entry.open_clip["pretrained"]})
    config = get_model_config(entry.open_clip["model"])
    assert entry.sha256 in entry.url
    assert entry.url == theirs["url"]
    assert entry.hub["repository"] == theirs["hf_hub"].strip("/")
    assert (entry.mean, entry.std) == (tuple(theirs["mean"]), tuple(theirs["std"]))
    assert theirs["quick_gelu"] and config["quick_gelu"]
    assert entry.embedding_size == config["embed_dim"]
    assert entry.image_size == config["vision_cfg"]["image_size"]
    assert entry.context_length == config["text_cfg"]["context_length"]
    assert entry.unverified


def test_the_hub_s_file_name_is_the_one_open_clip_asks_for() -> None:
    from open_clip.constants import HF_SAFE_WEIGHTS_NAME

    assert {entry.hub["file"] for entry in manifests.checkpoints().values()} == {HF_SAFE_WEIGHTS_NAME}


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(KeyError, match="no dataset manifest 'cats'; there are .*imagenet_1k_val, "):
        manifests.dataset("cats")
    with pytest.raises(KeyError, match=r"no checkpoint 'cats' in checkpoints\.yaml; there are openai/ViT-B-32"):
        manifests.checkpoint("cats")


def test_everything_that_is_missing_is_said_at_once(nothing: Path) -> None:
    gaps = manifests.missing("paper", ["00_start_here", "01_rare_concepts", "10_results", "01_rare_concepts"])
    assert [gap.name for gap in gaps] == [
        "dataset rare_concepts",
        "dataset imagenet_1k_val",
        "checkpoint openai/ViT-B-32",
        "checkpoint openai/ViT-L-14",
        "calibration of the class names",
    ]
    assert "python -m ktlib calibrate" in str(gaps[4])
    for gap in gaps[:4]:
        text = str(gap)
        assert all(f"\n  {word}" in text for word in ("expected:", "found:", "get it:", "put it:")), text
        assert str(nothing) in text
    assert "<concept>" in str(gaps[0]) and "Collect" in str(gaps[0])
    assert "https://image-net.org" in str(gaps[1]) and "tar -xf" in str(gaps[1])
    assert "hf download timm/vit_base_patch32_clip_224.openai" in str(gaps[2])


@pytest.mark.parametrize("scale", ["pocket", "rehearsal"])
def test_only_the_paper_scale_needs_anything(nothing: Path, scale: str) -> None:
    assert manifests.missing(scale, ["01_rare_concepts"]) == []
    assert manifests.missing("paper", ["00_start_here", "10_results"]) == []


def test_what_is_there_is_not_missing_and_what_is_half_there_is_counted(
    nothing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixtures.rare_concepts(nothing)
    fixtures.imagenet(nothing, layout="folders")
    weights = nothing / "checkpoints" / "openai" / "ViT-B-32.safetensors"
    weights.parent.mkdir(parents=True)
    weights.touch()
    monkeypatch.setattr(manifests, "_missing_calibration", lambda: None)
    gaps = manifests.missing("paper", ["01_rare_concepts"])
    assert [gap.name for gap in gaps] == ["dataset imagenet_1k_val", "checkpoint openai/ViT-L-14"]
    assert gaps[0].found == "10 of at least 50,000 validation images"
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda repository, file: f"/cache/{file}")
    assert [gap.name for gap in manifests.missing("paper", ["01_rare_concepts"])] == ["dataset imagenet_1k_val"]


def test_a_missing_development_kit_is_named(nothing: Path) -> None:
    fixtures.damage(fixtures.imagenet(nothing), "no devkit")
    (gap,) = [gap for gap in manifests.missing("paper", ["01_rare_concepts"]) if "imagenet" in gap.name]
    assert "0 of at least 1 class names of the development kit" in gap.found
    assert "labels" not in gap.found


def test_a_notebook_whose_needs_nobody_wrote_down_is_an_error_and_not_nothing() -> None:
    with pytest.raises(ValueError, match="expected notebooks of .*got 99_unknown; write their needs into NEEDS"):
        manifests.missing("paper", ["99_unknown"])
    with pytest.raises(ValueError, match="expected a scale of pocket, rehearsal, paper, got 'tiny'"):
        manifests.missing("tiny", [])


def test_the_needs_of_a_notebook_are_described() -> None:
    for notebook, (data, weights) in manifests.NEEDS.items():
        assert all(manifests.dataset(name).how_to_get for name in data)
        assert all(notebook in manifests.checkpoint(name).notebooks for name in weights)


def test_the_data_folder_defaults_to_data_in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KT_DATA", raising=False)
    assert manifests.data_root() == manifests.REPOSITORY / "data"
    monkeypatch.setenv("KT_DATA", "~/pictures")
    assert manifests.data_root() == Path.home() / "pictures"


def test_the_manifests_are_read_without_torch() -> None:
    code = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('manifests', {str(HERE)!r})\n"
        "module = sys.modules['manifests'] = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "module.missing('paper', ['01_rare_concepts'])\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("name", "rows"), [("results", 2056), ("concepts", 103), ("prompts", 74), ("claims", 35)])
def test_the_published_tables_are_whole_as_their_readme_says(name: str, rows: int) -> None:
    with (PUBLISHED / f"{name}.csv").open(newline="", encoding="utf-8") as lines:
        table = list(csv.DictReader(lines, strict=True))
    assert len(table) == rows
    assert all(None not in row and None not in row.values() for row in table)  # no row too long or too short
    assert f"| `{name}.csv` | {rows} |" in (PUBLISHED / "README.md").read_text()


def test_the_calibration_targets_are_the_published_baselines() -> None:
    from ktlib.data.calibration import TARGETS

    with (PUBLISHED / "results.csv").open(newline="", encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if row["metric"] == "imagenet_accuracy"]
    for model, target in TARGETS.items():
        printed = {
            float(row["value"])
            for row in rows
            if row["paper"] == "KT"
            and row["item"] == "Tab. 1"
            and row["variant"] == "baseline"
            and row["model"] == f"CLIP {model}"
        }
        assert printed == {round(100 * target, 2)}
