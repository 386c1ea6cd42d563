"""The manifests are valid, invent nothing, show what is not verified, and say what to do about what is missing."""

from __future__ import annotations

import csv
import json
import re
from fractions import Fraction
from math import floor
from pathlib import Path

import pytest

from ktlib import places
from ktlib.companion import studies
from ktlib.companion.record import notebooks
from ktlib.companion.sources import generated as fixtures
from ktlib.data import catalogue, hub, manifests
from tests.damage import damage

FILES = sorted((manifests.MANIFESTS / "datasets").glob("*.json"))
PUBLISHED = manifests.MANIFESTS / "published"

# Digests that somebody states: torchvision, the README of Herbarium 2019, CUB's record, the addresses of openai/CLIP.
KNOWN_MD5 = {
    "29b22e2961454d5413ddabcf34fc5622",
    "fa75699e90414af021442c21a62c3abf",
    "1d675b47d978889d74fa0da5fadfb00e",  # ImageNet: torchvision.datasets.imagenet.ARCHIVE_META
    "c58f30108f718f92721af3b95e74349a",
    "eb9058c3a382ffc7106e4002c42a8d85",  # torchvision.datasets.CIFAR10, CIFAR100
    "52808999861908f626f3c1f4e79d11fa",
    "e0620be6f572b9609742df49c70aed4d",
    "a5357ecc9cb78c4bef273ce3793fc85c",  # torchvision.datasets.Flowers102
    "5c4f3ee8e5d25df40f4fd59a7f44e54c",
    "95a8c909bbe2e81eed6a22bccdf3f68f",  # torchvision.datasets.OxfordIIITPet
    "97eceeb196236b17998738112f37df78",  # CUB-200-2011
    "53c6b9ee2f831f5101dbe00958091dc8",
    "2f854d580949e54f114993a74adc3d4b",
    "8bf1985008dea8f79da1d9668b065543",
    "d7e8670238a54f13b8b729823a988004",  # Herbarium 2019, README_2019.md
}
KNOWN_SHA256 = {
    "79f3f1552ccc478ce24bd934b4573625db584ddc1f4643ae23c994a94cb11397",  # imagenet100.txt of HobbitLong/CMC
    "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
    "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f",
    "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836",
}
# What others recorded of files whose publishers state no digest: MedCLIP's zip, SAM's .pth.
RECORDED = {
    "414b3ac515431c06018400ab2d83ee7307e314020cd4f6babbfdea4a58515725",
    "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
    "4b8939a88964f0f4ff5f5b2642c598a6",
}
# Commits that were read: of ViLT and of Bio_ClinicalBERT on the hub, and of MedCLIP's code.
COMMITS = {
    "1c3554941086626da49087ceff65d721d43d0978",
    "d5892b39a4adaed74b92212a44081509db72f87b",
    "9c3396f20d5d54e4fae241b8cb06ca45848e98c9",
}


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with no data and no weights."""
    monkeypatch.setenv("KT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *_, **__: None)
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


OPEN = [name for name in manifests.datasets() if manifests.dataset(name).downloads]


@pytest.mark.parametrize("name", OPEN)
def test_what_can_be_downloaded_is_open_and_is_what_the_steps_say(name: str) -> None:
    data = manifests.dataset(name)
    assert data.access == "open"
    steps = " ".join(data.how_to_get)
    for one in data.downloads:
        assert one.url.startswith(("https://", "http://"))
        assert one.url.rpartition("/")[0] in steps
        assert not Path(one.into).is_absolute() and ".." not in Path(one.into).parts
    assert not data.checksums or {one.name for one in data.downloads} <= set(data.checksums)


def test_every_system_and_dataset_that_was_measured_is_described() -> None:
    """Systems whose numbers KT quotes from other papers are not run by anybody here."""
    with (PUBLISHED / "results.csv").open(newline="", encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if row["variant"] not in ("quoted", "reference")]
    systems = {
        "CLIP ViT-B/32": "openai/ViT-B-32",
        "CLIP ViT-L/14": "openai/ViT-L-14",
        "CLIP ViT-B/16": "openai/ViT-B-16",
        "ViLT-B/32": "dandelin/vilt-b32-mlm-itm",
        "MedCLIP (ViT)": "RyanWangZf/MedCLIP-ViT",
        "MedCLIP-SAMv2": "HealthX-Lab/MedCLIP-SAMv2",
        "CoCa": "laion/coca-ViT-L-14",
        "CoCa FT": "laion/coca-ViT-L-14-mscoco",
        "SDXL": "stabilityai/stable-diffusion-xl-base-1.0",
        "MobileNetV3-small": "torchvision/mobilenet_v3_small",
        "DenseNet-121": "torchvision/densenet121",
        "ResNet-18": "torchvision/resnet18",
        "DINOv1 ViT-B/16": "timm/vit_base_patch16_224.dino",
        "DINOv2 ViT-B/14": "timm/vit_base_patch14_dinov2.lvd142m",
    }
    assert {row["model"] for row in rows} - {"Average"} == set(systems)
    assert set(systems.values()) <= set(manifests.checkpoints())
    sets = {
        "RareConcepts": "rare_concepts",
        "CIFAR-10": "cifar10",
        "CIFAR-100": "cifar100",
        "CUB-200": "cub_200",
        "Flowers-102": "flowers_102",
        "Oxford-IIIT Pets": "oxford_pets",
        "Herbarium-19": "herbarium_19",
        "Stanford Cars": "stanford_cars",
        "ImageNet-100": "imagenet_100",
        "ImageNet-1000": "imagenet_1k_val",
        "ImageNet-1k": "imagenet_1k_val",
        "Flickr30k": "flickr30k",
        "MSCOCO": "mscoco",
        "CheXpert-5x200c": "chexpert_5x200",
        "UnitoChest": "unitochest",
        "SIIM Pneumothorax": "siim_pneumothorax",
        "UDIAT": "udiat",
        "BraTS23 Glioma": "brats_2023",
        "JSRT": "jsrt",
    }
    assert {row["dataset"] for row in rows} - {"Average", ""} == set(sets)
    assert set(sets.values()) <= set(manifests.datasets())


def test_no_checksum_is_invented() -> None:
    from ktlib.pocket import world

    text = "".join(path.read_text() for path in [*FILES, manifests.MANIFESTS / "checkpoints.yaml"])
    assert set(re.findall(r"\b[0-9a-f]{64}\b", text)) <= KNOWN_SHA256 | RECORDED | {world.fingerprint()}
    assert set(re.findall(r"\b[0-9a-f]{32}\b", text)) <= KNOWN_MD5 | RECORDED
    assert set(re.findall(r"\b[0-9a-f]{40}\b", text)) <= COMMITS
    for entry in manifests.checkpoints().values():
        assert {entry.sha256}.isdisjoint(RECORDED), f"{entry.name}: a digest of others is none of the publisher's"
        told = {kind: value for kind, value in (entry.recorded or {}).items() if kind != "source"}
        assert set(told.values()) <= RECORDED and ("others" in entry.recorded["source"] if told else True)


def test_the_md5s_of_imagenet_are_torchvision_s() -> None:
    from torchvision.datasets.imagenet import ARCHIVE_META

    for manifest, kinds in (("imagenet_1k_val", ("val", "devkit")), ("imagenet_1k_train", ("train",))):
        theirs = {name: md5 for kind, (name, md5) in ARCHIVE_META.items() if kind in kinds}
        assert md5s(manifest) == theirs


def md5s(manifest: str) -> dict[str, str]:
    return {name: entry["md5"] for name, entry in manifests.dataset(manifest).checksums.items()}


def test_the_md5s_of_zoom_shot_s_sets_are_torchvision_s() -> None:
    from torchvision import datasets

    for manifest, theirs in (("cifar10", datasets.CIFAR10), ("cifar100", datasets.CIFAR100)):
        assert md5s(manifest) == {theirs.filename: theirs.tgz_md5}
    assert md5s("flowers_102") == dict(datasets.Flowers102._file_dict.values())
    assert md5s("oxford_pets") == {url.split("/")[-1]: md5 for url, md5 in datasets.OxfordIIITPet._RESOURCES}


@pytest.mark.parametrize("name", manifests.datasets())
def test_the_archives_of_the_distribution_have_the_checksums_of_the_manifest(name: str) -> None:
    facts = json.loads((manifests.MANIFESTS / "datasets" / f"{name}.json").read_text())
    stated = {entry["name"]: entry["md5"] for entry in facts.get("distribution", []) if "md5" in entry}
    known = manifests.dataset(name).checksums
    assert stated == {file: entry["md5"] for file, entry in known.items() if "md5" in entry}
    for file in stated:
        assert any(stated[file] in step for step in facts["kt:how_to_get"])


@pytest.mark.parametrize(
    ("manifest", "dataset", "n", "said"),
    [
        ("cub_200", "CUB-200", 5794, "99 of the 102"),
        ("flowers_102", "Flowers-102", 6149, "97 of the 99"),
        ("herbarium_19", "Herbarium-19", 2679, "28 of the 29"),
        ("oxford_pets", "Oxford-IIIT Pets", 3669, "96 of the 105"),
        ("stanford_cars", "Stanford Cars", 814, "44 of the 47"),
        ("imagenet_100", "ImageNet-100", 5000, "101 of the 103"),
    ],
)
def test_the_counts_that_zoom_shot_s_numbers_imply_are_counted(manifest: str, dataset: str, n: int, said: str) -> None:
    """How many of the printed percentages are k/n, rounded or cut off; in exact arithmetic."""
    with (PUBLISHED / "results.csv").open(newline="", encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if row["paper"] == "ZS" and row["metric"] == "top1"]
    values = {row["value"] for row in rows if row["dataset"] == dataset}

    def fits(value: str) -> bool:
        unit = 10 ** len(value.partition(".")[2])
        nearest = int(Fraction(value) * n / 100)
        exact = [Fraction(100 * k, n) * unit for k in range(max(nearest - 1, 0), nearest + 3)]
        return Fraction(value) * unit in {floor(x) for x in exact} | {floor(x + Fraction(1, 2)) for x in exact}

    (count,) = manifests.dataset(manifest).n_paper
    assert count.n == n and count.basis == "implied"
    assert said in count.source
    assert f"{sum(map(fits, values))} of the {len(values)}" == said


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
    assert data.access in manifests.ACCESS
    assert data.terms and data.layout and data.how_to_get and data.verified_by
    assert data.unverified or name == "pocket_world"  # nothing was downloaded, so something always is


STEPS = {
    "open": "",
    "click-through": r"form|rules",
    "registration": r"Register|account|imagenet_1k_val",
    "email-request": r"Ask",
    "unavailable": r"No (official )?download exists",
}


@pytest.mark.parametrize("name", manifests.datasets())
def test_the_access_of_a_dataset_is_what_its_steps_ask_of_a_person(name: str) -> None:
    data = manifests.dataset(name)
    steps = " ".join(data.how_to_get)
    assert re.search(STEPS[data.access], steps)
    if data.access == "open":
        assert not re.search("|".join(filter(None, STEPS.values())), steps)


@pytest.mark.parametrize("name", manifests.checkpoints())
def test_a_checkpoint_says_how_it_is_got_and_what_of_it_is_not_published(name: str) -> None:
    entry = manifests.checkpoint(name)
    doubts = " ".join(entry.unverified)
    assert entry.access in manifests.ACCESS
    assert entry.sha256 or "the digest: not published" in doubts or "every line" in doubts
    if "from memory" in entry.verified_by:
        fields = [field for field in vars(entry) if re.search(rf"\b{field}\b", doubts)]
        assert not entry.verified and (fields or "every line" in doubts), "say which fields are from memory"


@pytest.mark.parametrize("name", manifests.checkpoints())
def test_a_repository_of_the_hub_is_pinned_to_a_commit_or_said_not_to_be(name: str) -> None:
    entry = manifests.checkpoint(name)
    repositories = [one for one in (entry.hub, *entry.also) if one]
    for one in repositories:
        assert "revision" not in one or (one["revision"] in COMMITS and one["revision"] in entry.revision)
        assert "revision" in one or "unpinned" in entry.revision
    assert ("unpinned" in catalogue.show(name)) == any("revision" not in one for one in repositories)


def test_a_pinned_file_is_looked_for_at_its_commit_and_asked_for_at_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *_, revision: asked.append(revision))
    vilt = manifests.checkpoint("dandelin/vilt-b32-mlm-itm")
    weights, words = manifests.missing([], [vilt.name])
    assert vilt.hub and asked == [vilt.hub["revision"], "main"]
    assert f"--revision {vilt.hub['revision']}" in str(weights)
    assert "--revision" not in str(words)


def names_of(library: str) -> list[str]:
    return [name for name, entry in manifests.checkpoints().items() if entry.library["name"] == library]


@pytest.mark.parametrize("name", names_of("open_clip"))
def test_a_checkpoint_agrees_with_open_clip_and_with_its_own_address(name: str) -> None:
    from open_clip import get_model_config, get_pretrained_cfg

    entry = manifests.checkpoint(name)
    theirs = get_pretrained_cfg(**{"model": entry.library["model"], "tag": entry.library["pretrained"]})
    config = get_model_config(entry.library["model"])
    assert entry.hub and entry.hub["repository"] == theirs["hf_hub"].strip("/")
    if name.startswith("openai/"):
        assert entry.sha256 and entry.sha256 in entry.url
        assert entry.url == theirs["url"]
    else:  # on the hub alone
        assert not theirs["url"] and all(entry.hub[part] in entry.url for part in ("repository", "file"))
    assert (entry.mean, entry.std) == (tuple(theirs["mean"]), tuple(theirs["std"]))
    assert theirs.get("quick_gelu", False) == config.get("quick_gelu", False) == name.startswith("openai/")
    assert entry.embedding_size == config["embed_dim"]
    assert entry.image_size == config["vision_cfg"]["image_size"]
    assert entry.context_length == config["text_cfg"]["context_length"]
    assert entry.unverified


@pytest.mark.parametrize("name", names_of("timm"))
def test_a_checkpoint_agrees_with_timm(name: str) -> None:
    import timm
    import torch

    entry = manifests.checkpoint(name)
    theirs = timm.get_pretrained_cfg(entry.library["model"])
    assert entry.hub == {"repository": theirs.hf_hub_id, "file": "model.safetensors"}
    assert theirs.url in ("", entry.url)  # timm names no other address for densenet121
    assert (entry.mean, entry.std) == (theirs.mean, theirs.std)
    with torch.device("meta"):  # shapes only
        model = timm.create_model(entry.library["model"], num_classes=0)
    assert entry.embedding_size == model.num_features
    assert entry.context_length is None
    assert entry.image_size == 224  # of ZS; DINOv2's own is 518, which is among its known issues
    assert entry.image_size == theirs.input_size[-1] or any("518" in issue for issue in entry.known_issues)


def test_torchvision_s_weights_are_those_of_its_own_list() -> None:
    from torchvision import models

    weights = {"mobilenet_v3_small": "MobileNet_V3_Small", "densenet121": "DenseNet121", "resnet18": "ResNet18"}
    for name, kind in weights.items():
        entry = manifests.checkpoint(f"torchvision/{name}")
        theirs = models.get_weight(f"{kind}_Weights.IMAGENET1K_V1")
        assert entry.url == theirs.url
        assert entry.sha256 and entry.url.endswith(f"-{entry.sha256}.pth")
        assert (list(entry.mean), list(entry.std)) == (theirs.transforms().mean, theirs.transforms().std)
        assert [entry.image_size] == theirs.transforms().crop_size
        assert entry.size.startswith(f"{theirs.meta['_file_size']:.1f} MB")
    assert names_of("torchvision") == ["torchvision/mobilenet_v3_small"]  # timm has the others
    entry = manifests.checkpoint("torchvision/mobilenet_v3_small")
    assert models.get_weight(f"MobileNet_V3_Small_Weights.{entry.library['weights']}").url == entry.url
    assert entry.embedding_size == models.mobilenet_v3_small().classifier[0].in_features


def test_the_hub_s_file_name_is_the_one_open_clip_asks_for() -> None:
    from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME

    files = {name: hub["file"] for name in names_of("open_clip") if (hub := manifests.checkpoint(name).hub)}
    wanted = {True: HF_SAFE_WEIGHTS_NAME, False: HF_WEIGHTS_NAME}
    assert files == {name: wanted[name.startswith("openai/")] for name in files}


@pytest.mark.parametrize("name", manifests.checkpoints())
def test_a_checkpoint_is_found_in_its_place(name: str, nothing: Path) -> None:
    entry = manifests.checkpoint(name)
    assert entry.file() is None
    entry.place.parent.mkdir(parents=True)
    entry.place.touch()
    assert entry.file() == entry.place
    assert manifests.missing_checkpoint(entry) is None
    assert entry.place.name.startswith(name.split("/")[1])
    other = {
        "torchvision/mobilenet_v3_small": ".pth",
        "dandelin/vilt-b32-mlm-itm": ".bin",
        "RyanWangZf/MedCLIP-ViT": ".zip",
    }
    other |= dict.fromkeys(("laion/coca-ViT-L-14", "laion/coca-ViT-L-14-mscoco", "microsoft/BiomedCLIP"), ".bin")
    other["HealthX-Lab/MedCLIP-SAMv2"] = ""
    assert entry.place.suffix == other.get(name, ".safetensors")


def test_weights_without_a_hub_are_found_in_torch_s_cache(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    entry = manifests.checkpoint("torchvision/mobilenet_v3_small")
    gap = str(manifests.missing_checkpoint(entry))
    assert "mobilenet_v3_small-047dcff4.pth in torch's cache or at the path below" in gap
    assert f"curl --location --create-dirs --output {entry.place} {entry.url}" in gap
    kept = Path(torch.hub.get_dir()) / "checkpoints" / "mobilenet_v3_small-047dcff4.pth"
    assert kept.is_relative_to(nothing.parent)  # else the line below would write into somebody's cache
    kept.parent.mkdir(parents=True)
    kept.touch()
    assert entry.file() == kept


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(
        KeyError, match="no dataset manifest 'cats'; there are brats_2023, .*cifar10, cifar100, .*pocket_world"
    ):
        manifests.dataset("cats")
    with pytest.raises(KeyError, match=r"no checkpoint 'cats' in checkpoints\.yaml; there are openai/ViT-B-32"):
        manifests.checkpoint("cats")


def test_everything_that_is_missing_is_said_at_once(nothing: Path) -> None:
    data = ["rare_concepts", "imagenet_1k_val", "imagenet_100", "rare_concepts"]
    weights = ["openai/ViT-B-32", "dandelin/vilt-b32-mlm-itm", "openai/ViT-B-32"]
    gaps = manifests.missing(data, weights, calibration=True)
    assert [gap.name for gap in gaps] == [
        "dataset rare_concepts",
        "dataset imagenet_1k_val",
        "dataset imagenet_100",
        "checkpoint openai/ViT-B-32",
        "checkpoint dandelin/vilt-b32-mlm-itm",
        "words of dandelin/vilt-b32-mlm-itm",
        "calibration of the class names (clip)",
        "calibration of the class names (vilt)",
    ]
    assert "python -m ktlib calibrate vilt" in str(gaps[-1])
    for gap in gaps[:-2]:
        text = str(gap)
        assert all(f"\n  {word}" in text for word in ("expected:", "found:", "get it:", "put it:")), text
        assert str(nothing) in text or gap.name.startswith("words of")
    assert "<concept>" in str(gaps[0]) and "Collect" in str(gaps[0])
    assert "https://image-net.org" in str(gaps[1]) and "tar -xf" in str(gaps[1])
    assert "hf download timm/vit_base_patch32_clip_224.openai" in str(gaps[3])
    assert "hf download dandelin/vilt-b32-mlm-itm" in str(gaps[4])
    assert "caption_datasets.zip" in str(manifests.missing(["flickr30k"])[0])


def test_nothing_is_missing_of_nothing_and_the_calibration_only_where_it_is_asked_for(nothing: Path) -> None:
    assert manifests.missing() == []
    assert manifests.missing(calibration=False) == []
    for name, one in manifests.CALIBRATIONS.items():
        gaps = manifests.missing(checkpoints=one.checkpoints, calibration=True)
        said = [gap.name for gap in gaps if not gap.name.startswith("words of")]
        assert said[len(one.checkpoints) :] == [f"calibration of the class names ({name})"]


def test_what_is_there_is_not_missing_and_what_is_half_there_is_counted(
    nothing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixtures.rare_concepts(nothing)
    fixtures.imagenet(nothing, layout="folders")
    weights = nothing / "checkpoints" / "openai" / "ViT-B-32.safetensors"
    weights.parent.mkdir(parents=True)
    weights.touch()
    needs = (("rare_concepts", "imagenet_1k_val"), ("openai/ViT-B-32", "openai/ViT-L-14"))
    gaps = manifests.missing(*needs)
    assert [gap.name for gap in gaps] == ["dataset imagenet_1k_val", "checkpoint openai/ViT-L-14"]
    assert gaps[0].found == "10 of at least 50,000 validation images"
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda repository, file, revision: f"/cache/{file}")
    assert [gap.name for gap in manifests.missing(*needs)] == ["dataset imagenet_1k_val"]


def test_a_missing_development_kit_is_named(nothing: Path) -> None:
    damage(fixtures.imagenet(nothing), "no devkit")
    (gap,) = manifests.missing(["imagenet_1k_val"])
    assert "0 of at least 1 class names of the development kit" in gap.found
    assert "labels" not in gap.found


def test_a_fixture_is_seen_where_the_manifest_looks_and_is_too_small(nothing: Path) -> None:
    fixtures.zoom_shot(nothing)
    needs = notebooks.read(places.NOTEBOOKS / "06_zoom_shot.ipynb").needs
    assert needs
    found = {gap.name: gap.found for gap in manifests.missing(needs.datasets)}
    # CIFAR's files are all there: only their readers see that they are not the published.
    assert found == {
        "dataset imagenet_100": "10 of at least 5,000 validation images",
        "dataset imagenet_1k_val": "10 of at least 50,000 validation images",
        "dataset cub_200": "8 of at least 11,788 images",
        "dataset flowers_102": "12 of at least 8,189 images",
        "dataset herbarium_19": "8 of at least 2,679 validation images; 8 of at least 34,225 training images",
        "dataset oxford_pets": "12 of at least 7,349 images",
        "dataset stanford_cars": "6 of at least 8,144 training images; 4 of at least 8,041 test images",
        "dataset imagenet_1k_train": "200 of at least 1,281,167 training images",
    }


def test_an_unknown_need_is_an_error_and_not_nothing() -> None:
    with pytest.raises(KeyError, match="no dataset manifest 'cats'"):
        manifests.missing(["cats"])
    with pytest.raises(KeyError, match="no checkpoint 'cats'"):
        manifests.missing([], ["cats"])


def test_what_a_notebook_needs_is_described() -> None:
    for path in notebooks.find():
        needs = notebooks.read(path).needs
        assert needs, f"{path.stem} does not say what it needs at paper scale"
        assert all(manifests.dataset(name).how_to_get for name in needs.datasets)
        assert all(manifests.checkpoint(name).used_by for name in needs.checkpoints)


def test_every_checkpoint_is_needed_by_a_notebook_or_by_tables_that_have_none_yet() -> None:
    needed = {name for path in notebooks.find() if (needs := notebooks.read(path).needs) for name in needs.checkpoints}
    described = manifests.checkpoints()
    assert needed <= set(described)
    loaded = {name for name, entry in described.items() if entry.loaded}
    waiting = {name: manifests.checkpoint(name).used_by for name in loaded - needed}
    assert not [name for name, items in waiting.items() if set(items) & set(studies.layouts())]


def test_the_data_folder_defaults_to_data_in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KT_DATA", raising=False)
    assert manifests.data_root() == places.ROOT / "data"
    monkeypatch.setenv("KT_DATA", "~/pictures")
    assert manifests.data_root() == Path.home() / "pictures"


@pytest.mark.parametrize(("name", "rows"), [("results", 2056), ("concepts", 103), ("prompts", 74), ("claims", 35)])
def test_the_published_tables_are_whole_as_their_readme_says(name: str, rows: int) -> None:
    with (PUBLISHED / f"{name}.csv").open(newline="", encoding="utf-8") as lines:
        table = list(csv.DictReader(lines, strict=True))
    assert len(table) == rows
    assert all(None not in row and None not in row.values() for row in table)  # no row too long or too short
    assert f"| `{name}.csv` | {rows} |" in (PUBLISHED / "README.md").read_text()


def test_the_calibration_targets_are_the_published_baselines() -> None:
    from ktlib.evaluate.calibration import TARGETS, VILT, ZOOM_SHOT

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
    printed = {float(row["value"]) for row in rows if (row["model"], row["variant"]) == ("ViLT-B/32", "baseline")}
    assert printed == {round(100 * VILT.targets["ViLT-B/32"], 2)}
    with (PUBLISHED / "results.csv").open(newline="", encoding="utf-8") as lines:
        own = [row for row in csv.DictReader(lines) if (row["paper"], row["item"]) == ("ZS", "Tab. 1")]
    zero = {float(r["value"]) for r in own if (r["variant"], r["dataset"]) == ("clip_zero_shot", "ImageNet-1000")}
    assert zero == {round(100 * ZOOM_SHOT.targets["ViT-B/16"], 2)}


KEYS = ("name", "description", "url", "license", "creator", "version", "citeAs")
OURS = {
    "access", "terms", "size", "layout", "pairing", "splits", "n_official", "n_paper", "stand_in", "known_issues",
    "unverified", "how_to_get", "downloads", "where", "present", "checksums", "verified",
}  # fmt: skip


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_manifest_has_every_key_and_says_what_pairs_and_what_stands_in(file: Path) -> None:
    facts = json.loads(file.read_text(encoding="utf-8"))
    assert {key.removeprefix("kt:") for key in facts if key.startswith("kt:")} == OURS
    assert {key for key in facts["@context"] if key.startswith("kt:")} == {f"kt:{key}" for key in OURS}
    assert all(facts[key] for key in KEYS)
    data = manifests.dataset(file.stem)
    assert data.pairing.endswith(".") and data.stand_in and data.known_issues and data.splits


# Where each set is read; of MSCOCO and Flickr30k the shared reader of Karpathy's file too.
READERS = {
    "brats_2023": "volumes", "chexpert_5x200": "radiographs", "cifar10": "cifar", "cifar100": "cifar",
    "cub_200": "fine_grained", "flickr30k": "flickr30k karpathy", "flowers_102": "fine_grained",
    "herbarium_19": "fine_grained", "imagenet_100": "imagenet", "imagenet_1k_train": "imagenet",
    "imagenet_1k_val": "imagenet", "jsrt": "radiographs", "mscoco": "coco karpathy", "oxford_pets": "fine_grained",
    "rare_concepts": "rare_concepts", "siim_pneumothorax": "masked", "stanford_cars": "fine_grained", "udiat": "masked",
    "unitochest": "masked",
}  # fmt: skip


def test_what_pairs_is_what_the_readers_look_at() -> None:
    """Files, columns and keys that a sentence names stand in the code that reads the set."""
    assert set(READERS) == set(manifests.datasets()) - {"pocket_world"}
    looked_at = 0
    for name, modules in READERS.items():
        code = "".join(
            (places.ROOT / "ktlib/data" / f"{one}.py").read_text(encoding="utf-8") for one in modules.split()
        )
        for one in re.findall(r"\b[\w-]+\.(?:txt|mat|json|csv|TXT)\b|`(\w+)`", manifests.dataset(name).pairing):
            looked_at += 1
            assert one in code, f"{name}: {one}"
    assert looked_at > 10


def test_what_stands_in_for_a_dataset_exists() -> None:
    """A drawn set by its name here, or a place in the code that takes the name given."""
    from ktlib.companion import sources
    from ktlib.pocket import sets

    named = {name: manifests.dataset(name).stand_in for name in manifests.datasets()}
    drawn = {name: found[1] for name, said in named.items() if (found := re.search(r"drawn set '([^']+)'", said))}
    likes = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "cub_200": "CUB-200", "flowers_102": "Flowers-102"}
    likes |= {"herbarium_19": "Herbarium-19", "imagenet_100": "ImageNet-100", "imagenet_1k_val": "ImageNet-1000"}
    likes |= {"oxford_pets": "Oxford-IIIT Pets", "stanford_cars": "Stanford Cars"}
    assert {name: sets.SETS[own].like for name, own in drawn.items()} == likes
    with pytest.raises(ValueError, match="pocket 0") as offered:
        sources.examination("none of them")
    for said in named.values():
        for name in re.findall(r"'(pocket [a-z0-9]+)'", said):
            assert f"{name}" in str(offered.value), said


@pytest.mark.parametrize("name", manifests.checkpoints())
def test_what_stands_in_for_a_checkpoint_is_a_pocket_model(name: str) -> None:
    entry = manifests.checkpoint(name)
    assert entry.revision
    models = re.findall(r"pocket/([a-z0-9-]+)", entry.stand_in)
    assert models or entry.stand_in.startswith("none: ")
    for one in models:
        assert (places.WEIGHTS / one / "card.json").is_file()


def test_no_step_fetches_a_page_that_shows_a_file() -> None:
    from ktlib.data import addresses

    assert addresses.shows_a_page(manifests.checkpoint("HealthX-Lab/MedCLIP-SAMv2").url)
    for name in manifests.datasets():
        data = manifests.dataset(name)
        assert not any(addresses.shows_a_page(one.url) for one in data.downloads)
    for name, entry in manifests.checkpoints().items():
        assert not addresses.shows_a_page(entry.url) or entry.by_hand, name
