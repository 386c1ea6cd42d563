"""The validation set in both layouts: labels through ids that are out of order, and damaged copies."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ktlib.companion.sources import generated as fixtures
from ktlib.data import files, imagenet
from tests.damage import Damage, damage

SORTED = ("n01440764", "n02012849", "n02113186", "n02963159", "n03126707")
LABELS = (0, 4, 1, 3, 2, 2, 3, 0, 4, 1)  # by hand: ground truth 3 1 5 2 4 ... -> synsets -> place in SORTED


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    return fixtures.imagenet(tmp_path)


def test_ilsvrc_ids_out_of_order_are_mapped_to_the_sorted_wordnet_ids(flat: Path) -> None:
    data = imagenet.read(flat, partial=True)
    assert data.wnids == SORTED
    assert data.labels == LABELS
    assert tuple(number - 1 for number in fixtures.GROUND_TRUTH) != LABELS  # the trap: ids used as labels


def test_both_layouts_give_every_image_the_same_label(flat: Path, tmp_path: Path) -> None:
    folders = fixtures.imagenet(tmp_path / "folders", layout="folders")
    by_name = [
        {path.name: label for path, label in zip(data.paths, data.labels, strict=True)}
        for data in (imagenet.read(flat, partial=True), imagenet.read(folders, partial=True))
    ]
    assert by_name[0] == by_name[1]
    assert len(by_name[0]) == 10


def test_torchvision_s_folders_give_the_same_labels(tmp_path: Path) -> None:
    from torchvision.datasets import ImageFolder

    home = fixtures.imagenet(tmp_path, layout="folders")
    theirs = ImageFolder(str(home / "val"))
    ours = imagenet.read(home, partial=True)
    assert list(ours.wnids) == theirs.classes
    assert [(str(path), label) for path, label in zip(ours.paths, ours.labels, strict=True)] == theirs.imgs


def test_batches_are_read_lazily_and_in_order(flat: Path) -> None:
    data = imagenet.read(flat, partial=True)
    batches = list(data.batches(batch_size=4, size=32))
    assert [pictures.shape for pictures, _ in batches] == [(4, 3, 32, 32), (4, 3, 32, 32), (2, 3, 32, 32)]
    assert torch.cat([labels for _, labels in batches]).tolist() == list(LABELS)
    grey = batches[0][0][2]  # image 3 is greyscale, image 2 is CMYK
    assert torch.equal(grey[0], grey[2])
    damage(flat, "truncated image")
    first = next(iter(data.batches(batch_size=4, size=32)))  # the damaged one is the last
    assert torch.equal(first[0], batches[0][0])


def test_class_names_by_kind(flat: Path) -> None:
    data = imagenet.read(flat, partial=True)
    assert data.class_names("first") == ["tench", "crane", "Cardigan", "cardigan", "crane"]
    assert data.class_names("all")[0] == "tench, Tinca tinca"
    assert data.class_names("curated") == imagenet.curated_names(data.wnids)
    with pytest.raises(ValueError, match="expected a kind of first, all, curated, got 'best'"):
        data.class_names("best")


def test_curated_names_are_openai_s_thousand() -> None:
    data = imagenet.Validation((), (), ("n01440764", "n01443537"), ("x", "x"))
    assert data.class_names("curated") == ["tench", "goldfish"]


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ("no devkit", FileNotFoundError, r"expected the development kit's .*meta\.mat, found nothing; .*how to get it"),
        (
            "ground truth too short",
            ValueError,
            r"expected one image for each of the 9 labels .*found 10 images.*extract",
        ),
        ("missing image", ValueError, r"expected one image for each of the 10 labels .*found 9 images.*extract"),
        (
            "empty folder",
            FileNotFoundError,
            r"expected val/<wnid>/\*\.JPEG or val/ILSVRC.*found no image; .*how to get",
        ),
    ],
)
def test_a_damaged_copy_is_refused(flat: Path, how: Damage, error: type[Exception], message: str) -> None:
    damage(flat, how)
    with pytest.raises(error, match=message):
        imagenet.read(flat, partial=True)


def test_a_truncated_image_is_named_when_it_is_read(flat: Path) -> None:
    damage(flat, "truncated image")
    data = imagenet.read(flat, partial=True)
    with pytest.raises(ValueError, match=r"expected a complete picture, found .*00000010\.JPEG .*cut short.*again"):
        list(data.batches(size=32))


def test_without_partial_a_fixture_does_not_pass_for_the_whole_set(flat: Path) -> None:
    with pytest.raises(ValueError, match=r"expected 1000 classes .*meta\.mat, found 5; extract the development kit"):
        imagenet.read(flat)


def test_a_missing_image_of_the_whole_set_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = fixtures.imagenet(tmp_path, layout="folders")
    monkeypatch.setattr(imagenet, "CLASSES", 5)
    monkeypatch.setattr(imagenet, "PER_CLASS", 2)
    assert len(imagenet.read(home)) == 10
    next((home / "val" / "n02012849").iterdir()).unlink()
    with pytest.raises(ValueError, match=r"expected 2 images of each of 5 classes .*found 9 .*n02012849: 1.*md5"):
        imagenet.read(home)


def test_packed_archives_are_told_to_be_extracted(flat: Path) -> None:
    damage(flat, "empty folder")
    (flat / "ILSVRC2012_img_val.tar").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=r"found no image; extract .*ILSVRC2012_img_val\.tar"):
        imagenet.read(flat, partial=True)
    (flat / "ILSVRC2012_devkit_t12" / "data" / "meta.mat").unlink()
    (flat / "ILSVRC2012_devkit_t12.tar.gz").write_bytes(b"")
    with pytest.raises(
        FileNotFoundError, match=r"meta\.mat, found ILSVRC2012_devkit_t12\.tar\.gz; extract it: tar -xzf"
    ):
        imagenet.read(flat, partial=True)


def test_a_folder_that_is_no_class_is_refused(tmp_path: Path) -> None:
    home = fixtures.imagenet(tmp_path, layout="folders")
    (home / "val" / "n02084071").mkdir()  # in meta.mat, but it has children
    with pytest.raises(ValueError, match="expected folders named by the WordNet ids .*found n02084071; remove"):
        imagenet.read(home, partial=True)


def test_labels_of_another_release_are_refused(flat: Path) -> None:
    file = flat / "ILSVRC2012_devkit_t12" / "data" / "ILSVRC2012_validation_ground_truth.txt"
    file.write_text(file.read_text().replace("4", "6"))
    with pytest.raises(ValueError, match="expected ILSVRC ids of the 5 classes .*found 6; extract"):
        imagenet.read(flat, partial=True)


def test_a_broken_meta_mat_is_refused(flat: Path) -> None:
    file = flat / "ILSVRC2012_devkit_t12" / "data" / "meta.mat"
    for content in (b"", b"no matlab file", file.read_bytes()[:200]):
        file.write_bytes(content)
        with pytest.raises(
            ValueError, match=r"expected the structure synsets .*meta\.mat.*extract the development kit"
        ):
            imagenet.read(flat, partial=True)


# -- Zoom-shot's three sets -------------------------------------------------------------------------
@pytest.fixture
def whole(tmp_path: Path) -> Path:
    fixtures.imagenet(tmp_path)
    return fixtures.imagenet_train(tmp_path, per_class=3)


def test_the_thousand_classes_have_curated_names_in_the_order_of_the_wordnet_ids(whole: Path) -> None:
    data = imagenet.imagenet_1000(whole, partial=True)
    assert data.name == "ImageNet-1000"
    assert data.labels == LABELS
    assert data.names == ("tench", "crane bird", "Cardigan Welsh Corgi", "cardigan", "construction crane")
    assert len(set(map(str.lower, data.names))) == len(data.names)  # unlike the first synonyms


def test_curated_names_by_wordnet_id_are_those_by_place() -> None:
    from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES
    from timm.data import ImageNetInfo

    assert imagenet.curated_names(sorted(ImageNetInfo("imagenet-1k").label_names())) == list(IMAGENET_CLASSNAMES)
    with pytest.raises(ValueError, match="expected WordNet ids of ImageNet-1k, found n02084071; correct them"):
        imagenet.curated_names(["n02084071"])  # dog: a node above the classes


def test_a_list_in_any_order_gives_labels_in_the_order_of_the_sorted_ids(whole: Path) -> None:
    assert fixtures.HUNDRED == ("n03126707", "n01440764", "n02012849")
    data = imagenet.imagenet_100(whole, partial=True)
    assert data.names == ("tench", "crane bird", "construction crane")
    # By hand: LABELS 0 4 1 3 2 2 3 0 4 1, of which 0, 1 and 4 are on the list and become 0, 1 and 2.
    assert data.labels == (0, 2, 1, 0, 2, 1)
    everything = imagenet.imagenet_1000(whole, partial=True)
    kept = [index for index, label in enumerate(everything.labels) if label in (0, 1, 4)]
    assert [data.read(i).tobytes() for i in range(6)] == [everything.read(k).tobytes() for k in kept]


def test_the_list_is_reported_by_its_sha256_and_is_in_the_digest(whole: Path) -> None:
    import hashlib

    before, file = imagenet.imagenet_100(whole, partial=True), whole / "imagenet100.txt"
    listed = imagenet.class_list(whole, partial=True)
    assert listed.wnids == tuple(sorted(fixtures.HUNDRED))
    assert listed.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    file.write_text(file.read_text().strip())  # the same classes in another file
    after = imagenet.imagenet_100(whole, partial=True)
    assert (after.labels, after.names) == (before.labels, before.names)
    assert after.digest != before.digest


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("n01440764 n02084071", r"expected WordNet ids of ImageNet-1k in .*imagenet100\.txt.*found n02084071; correct"),
        ("n01440764 tench", r"expected WordNet ids of ImageNet-1k in .*found tench; correct"),
        ("n01440764 n02012849 n01440764", r"expected every WordNet id once .*found n01440764 twice; remove one"),
        ("n01440764 n01443537", r"expected images of every class .*found none of n01443537 among the 5 classes"),
    ],
)
def test_a_list_of_other_things_is_refused(whole: Path, lines: str, message: str) -> None:
    (whole / "imagenet100.txt").write_text(lines.replace(" ", "\n"))
    with pytest.raises(ValueError, match=message):
        imagenet.imagenet_100(whole, partial=True)


def test_a_list_of_another_length_or_none_is_refused(whole: Path) -> None:
    with pytest.raises(ValueError, match=r"expected 100 WordNet ids in .*imagenet100\.txt, found 3; complete the list"):
        imagenet.imagenet_100(whole)
    (whole / "imagenet100.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"expected the WordNet ids of ImageNet-100, .*show imagenet_100` says"):
        imagenet.imagenet_100(whole, partial=True)


def test_training_images_are_torchvision_s_folders(whole: Path) -> None:
    from torchvision.datasets import ImageFolder

    data = imagenet.train(whole, partial=True)
    oracle = ImageFolder(str(whole / "train"))
    assert data.name == "ImageNet"
    assert list(data.labels) == oracle.targets
    assert all(data.read(i).tobytes() == oracle[i][0].tobytes() for i in range(len(oracle)))
    assert data.names[1] == "crane bird"


def test_training_images_need_no_development_kit(tmp_path: Path) -> None:
    assert len(imagenet.train(fixtures.imagenet_train(tmp_path, per_class=1), partial=True)) == 5


def test_training_images_are_counted(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        ValueError, match=r"expected 1,281,167 training images of 1000 classes in .*train, found 15; .*cut"
    ):
        imagenet.train(whole)
    monkeypatch.setattr(imagenet, "TRAIN", 15)
    assert len(imagenet.train(whole)) == 15


def test_a_training_folder_that_is_no_class_is_refused(whole: Path) -> None:
    damage(whole, "wrong folder")
    with pytest.raises(ValueError, match=r"expected folders named by the WordNet ids .*train, found Grus_grus; remove"):
        imagenet.train(whole, partial=True)


def test_training_archives_are_told_to_be_extracted(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"expected train/<wnid>/\*\.JPEG .*found nothing; .*show imagenet_1k_train`"
    ):
        imagenet.train(tmp_path)
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "n01440764.tar").touch()
    with pytest.raises(FileNotFoundError, match=r"found only archives such as .*n01440764\.tar; extract each"):
        imagenet.train(tmp_path)


def test_an_empty_training_folder_is_no_set(tmp_path: Path) -> None:
    (tmp_path / "train" / "n01440764").mkdir(parents=True)
    with pytest.raises(ValueError, match="expected images of ImageNet in .*found none; extract the archive again"):
        imagenet.train(tmp_path, partial=True)


def test_whole_pictures_keep_their_shape_and_centres_are_those_of_the_batches(flat: Path) -> None:
    data = imagenet.read(flat, partial=True)
    whole, centre = data.pictures(), data.pictures(32)
    assert len(whole) == len(centre) == len(data)
    assert whole[0].shape == (3, 48, 64)
    assert torch.equal(centre[4], next(iter(data.batches(batch_size=5, size=32)))[0][4])


def test_the_hundred_have_wordnet_names_and_the_pictures_of_imagenet_100(whole: Path) -> None:
    data, listed = imagenet.hundred(whole, partial=True), imagenet.imagenet_100(whole, partial=True)
    assert data.labels == listed.labels and len(data) == len(listed)
    assert data.class_names("first") == ["tench", "crane", "crane"]
    assert data.wnids == tuple(sorted(fixtures.HUNDRED))


def test_what_macos_leaves_beside_a_picture_is_none(tmp_path: Path) -> None:
    home = fixtures.imagenet_train(tmp_path, 2)
    count, folder = len(imagenet.train(home, partial=True)), sorted((home / "train").iterdir())[0]
    (folder / f"._{folder.name}_0.JPEG").write_bytes(b"\0\5\x16\7mac")
    assert len(imagenet.train(home, partial=True)) == count
    (folder / "list.txt").touch()
    with pytest.warns(UserWarning, match=r"1 files in .* are no JPEG and left out: .*list\.txt"):
        assert len(imagenet.train(home, partial=True)) == count


def test_too_many_images_are_not_called_cut_short(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"expected 10 images in .*, found 11; there are files that do not belong to it"
    ):
        files.whole(11, 10, "images", tmp_path, partial=False)
    with pytest.raises(ValueError, match=r"found 9; the archive or the copy was cut short"):
        files.whole(9, 10, "images", tmp_path, partial=False)
