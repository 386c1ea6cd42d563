"""Every reader over its own fixtures, damaged at random: what it should read, or one sentence that names the file.

Bytes are flipped, swapped, cut off, or all taken away; texts get another encoding or another order. A text that is
only encoded otherwise says the same, so what is read of it must be the same. CIFAR is left out: its files are pickles,
which are refused by their md5 before one is opened, and tests alone may switch that off.
"""

import dataclasses
import functools
import json
import random
import shutil
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from ktlib import places, store
from ktlib.companion.record import notebooks, published, rows
from ktlib.companion.sources import generated, generated_medical
from ktlib.data import (
    coco,
    dicom,
    fine_grained,
    flickr30k,
    imagenet,
    images,
    manifests,
    masked,
    radiographs,
    rare_concepts,
    tables,
    volumes,
)
from ktlib.evaluate import calibration
from ktlib.models import checkpoints, load
from tests.rows import row

EACH = 10  # damaged inputs of each reader: over 300 in all
MANY = 100  # over 3000
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".dcm", ".img")


def _labelled(read):
    def look(root):
        data = read(root, partial=True)
        return data.names, data.labels, [data.read(number).size for number in range(len(data))]

    return look


def _films(read):
    """A set that leaves out what it cannot use: whatever is left out is named."""

    def look(root):
        data = read(root)
        assert all(data.left_out.values()) and all(map(str, data.left_out))
        whole = data.readable()
        assert len(whole) + len(whole.left_out) >= len(data)
        return whole.files, sorted(whole.left_out)

    return look


def _gallery(read):
    def look(root):
        data = read(root, partial=True)
        return [tuple(data.images[number].shape) for number in range(len(data.images))], data.captions

    return look


def _concepts(root):
    found = [rare_concepts.paths(name, root) for name in rare_concepts.concepts(root)]
    return [images.read_image(path).size for paths in found for path in paths], rare_concepts.descriptions(root)


def _validation(root):
    data = imagenet.read(root / "imagenet", partial=True)
    return [tuple(data.pictures(16)[number].shape) for number in range(len(data))], data.class_names("all")


def _folders(root):
    generated.imagenet(root, "folders")
    generated.imagenet_train(root, 1)


def _hundred(root):
    return _labelled(imagenet.imagenet_100)(root / "imagenet")


def _train(root):
    return _labelled(imagenet.train)(root / "imagenet")


def _pictures(root):
    noise = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    for mode, name in (("RGB", "a.jpg"), ("RGBA", "b.png"), ("P", "c.png"), ("L", "d.webp"), ("CMYK", "e.jpg")):
        Image.fromarray(noise).convert("L" if name == "d.webp" else mode).save(root / name)
    Image.fromarray(noise[..., 0].astype(np.uint16) * 257).save(root / "f.png")
    exif = Image.Exif()
    exif[0x112], exif[0x10F] = 6, "a camera"
    Image.fromarray(noise).save(root / "g.jpg", exif=exif)


def _tables(root):
    root.joinpath("a.csv").write_text('name,told\nmoon,"one, two"\nsun,café\n', encoding="utf-8")
    root.joinpath("b.txt").write_text("# head\n1 one\n2 two words\n", encoding="utf-8")
    generated._matlab(root / "c.mat", labels=np.arange(5), names=np.array(["a", "b"], object))


def _every_table(root):
    return (
        tables.rows(root / "a.csv", ("name", "told")),
        tables.numbered(root / "b.txt"),
        tables.lines(root / "b.txt"),
        tables.matlab(root / "c.mat", "labels").shape,
    )


def _single_films(root):
    for name, inverted in (("a.dcm", False), ("b.dcm", True)):
        generated_medical.film(root / name, np.arange(48, dtype=np.uint8).reshape(6, 8), inverted=inverted)
    generated_medical.slice_of_ct(root / "c.dcm", np.arange(48, dtype=np.int16).reshape(6, 8))


def _every_film(root):
    return [dicom.film(root / name)[0].shape for name in ("a.dcm", "b.dcm")], dicom.hounsfield(root / "c.dcm").shape


def _manifests(root):
    (root / "data_manifests" / "datasets").mkdir(parents=True)
    for name in ("checkpoints.yaml", "datasets/cifar10.json", "datasets/jsrt.json"):
        shutil.copyfile(places.MANIFESTS / name, root / "data_manifests" / name)


def _every_manifest(root):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(places, "MANIFESTS", root / "data_manifests")
        return [manifests.dataset(name) for name in ("cifar10", "jsrt")], manifests.checkpoints()


def _published(root):
    (root / "published").mkdir()
    for name in ("results.csv", "claims.csv", "figures.csv"):
        shutil.copyfile(places.MANIFESTS / "published" / name, root / "published" / name)


def _all_published(root):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(published, "manifests", lambda: root)
        return [table.__wrapped__() for table in (published._numbers, published.claims, published.figures)]


def _calibration(root):
    accuracies = {cell: {"ViT-B/32": 0.581, "ViT-L/14": 0.708} for cell in calibration.CELLS}
    calibration.freeze(accuracies, path=root / "calibration.json")


def _rows(root):
    rows.write([row(), row(seed=1)], seconds=1.0, command="", folder=root)


def _notebook(root):
    shutil.copyfile(places.NOTEBOOKS / "01_rare_concepts.ipynb", root / "01_rare_concepts.ipynb")


def _tensors(root):
    store.save_tensors(root / "kept.safetensors", {"x": torch.arange(40.0)})
    store.remembered(root / "kept.json", lambda: {"x": list(range(40))})


def _kept(root):
    """A damaged store is as good as none; what it gives is what was kept."""
    found = store.load_tensors(root / "kept.safetensors")
    assert found is None or found["x"].equal(torch.arange(40.0))
    return store.remembered(root / "kept.json", lambda: {"x": list(range(40))})


def _weights(root):
    store.save_tensors(root / "weights.safetensors", {"x": torch.arange(40.0)})
    torch.save({"x": torch.arange(40.0)}, root / "weights.pth")


def _every_weight(root):
    return [{name: tuple(x.shape) for name, x in checkpoints.read(p).items()} for p in sorted(root.iterdir())]


def _model(name):
    """A model's folder of one's own, whose files no digest protects."""

    def make(root):
        shutil.copytree(
            places.WEIGHTS / name, root / name, ignore=lambda *_: ("card.json", "training.json", "README.md")
        )

    return make, lambda root: checkpoints.fingerprint(load(f"local-dir:{root / name}"))


# What makes the files, and what reads them all.
READERS = {
    "pictures": (_pictures, lambda root: [tuple(images.read_folder(root, 8).shape)]),
    "tables": (_tables, _every_table),
    "manifests": (_manifests, _every_manifest),
    "rare concepts": (generated.rare_concepts, _concepts),
    "patterns": (lambda root: (generated.rare_concepts(root), generated.patterns(root)), _concepts),
    "imagenet, flat": (generated.imagenet, _validation),
    "imagenet, folders": (_folders, _hundred),
    "imagenet, train": (lambda root: generated.imagenet_train(root, 1), _train),
    "cub": (generated.cub_200, _labelled(fine_grained.cub_200)),
    "flowers": (generated.flowers_102, _labelled(fine_grained.flowers_102)),
    "herbarium": (generated.herbarium_19, _labelled(fine_grained.herbarium_19)),
    "pets": (generated.oxford_pets, _labelled(fine_grained.oxford_pets)),
    "cars": (generated.stanford_cars, _labelled(fine_grained.stanford_cars)),
    "flickr30k": (generated.flickr30k, _gallery(flickr30k.read)),
    "coco": (generated.coco, _gallery(coco.read)),
    "DICOM": (_single_films, _every_film),
    "chexpert": (generated_medical.chexpert_5x200, _films(functools.partial(radiographs.chexpert_5x200, partial=True))),
    "jsrt": (
        generated_medical.jsrt,
        _films(functools.partial(radiographs.jsrt, partial=True, side=generated_medical.JSRT_SIDE)),
    ),
    "unitochest": (generated_medical.unitochest, _films(masked.unitochest)),
    "siim": (generated_medical.siim_pneumothorax, _films(functools.partial(masked.siim_pneumothorax, partial=True))),
    "udiat": (generated_medical.udiat, _films(functools.partial(masked.udiat, partial=True))),
    "brats": (generated_medical.brats_2023, _films(functools.partial(volumes.brats_2023, partial=True))),
    "published": (_published, _all_published),
    "calibration": (_calibration, lambda root: calibration.frozen(path=root / "calibration.json")),
    "rows": (_rows, lambda root: rows.read("pocket", folder=root)),
    "notebook": (_notebook, lambda root: dataclasses.replace(notebooks.read(next(root.glob("*.ipynb"))), path=root)),
    "kept": (_tensors, _kept),
    "weights": (_weights, _every_weight),
    "a CLIP's folder": _model("clip-b"),
    "a ViLT's folder": _model("vilt-b"),
    "an encoder's folder": _model("dino"),
    "a MedCLIP's folder": _model("medclip"),
    "a SAM's folder": _model("sam"),
}


def damaged(content, draw):
    """What is left of a file after one accident, and which it was; `same` where it says what it said."""
    if not content:
        return b"\xff", "a stray byte"
    kind = draw.choice(("flip", "flip", "cut", "swap", "lines", "encoding", "empty"))
    if kind == "flip":
        changed = bytearray(content)
        for _ in range(draw.choice((1, 1, 2, 8))):
            changed[draw.randrange(len(changed))] ^= draw.randrange(1, 256)
        return bytes(changed), kind
    if kind == "cut":
        return content[: draw.randrange(len(content))], kind
    if kind == "swap":
        a, b = sorted(draw.randrange(len(content) + 1) for _ in range(2))
        return content[b:] + content[a:b] + content[:a], kind
    if kind == "lines":
        lines = content.splitlines(keepends=True)
        draw.shuffle(lines)
        return b"".join(lines), kind
    if kind == "encoding":
        return recoded(content, draw)
    return b"", kind


def recoded(content, draw):
    """A text in another encoding or with other line ends; what is no text, byte by byte as if it were one."""
    to = draw.choice(("utf-16", "utf-32", "utf-8-sig", "cp500", "crlf"))
    try:
        text, how = content.decode("utf-8"), f"the same as {to}"
    except UnicodeDecodeError:
        text, how = content.decode("latin-1"), f"bytes as {to}"
    if to == "crlf":
        return text.replace("\n", "\r\n").encode("utf-8" if how.startswith("the") else "latin-1"), how
    return text.encode(to, errors="replace"), how


def accident(look, right, root, file, draw):
    """Damage one file, read everything, mend it. Returns what was wrong, or nothing."""
    whole = file.read_bytes()
    broken, how = damaged(whole, draw)
    here = f"{how} in {file.relative_to(root)}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file.write_bytes(broken)
        try:
            found = look(root)
        except (ValueError, FileNotFoundError) as error:
            if not type(error).__module__.startswith(("builtins", "ktlib")) or isinstance(error, UnicodeError):
                return f"{here}: {type(error).__name__}: {error}"
            named = file.name in str(error) or str(root) in str(error)
            return "" if named else f"{here}: no file named: {error}"
        except Exception as error:
            return f"{here}: {type(error).__name__}: {error}"
        finally:
            file.write_bytes(whole)
    return f"{here}: read otherwise" if how.startswith("the same") and found != right else ""


@pytest.mark.parametrize("count", [EACH, pytest.param(MANY, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_read_aright_or_named(name, count, tmp_path):
    make, look = READERS[name]
    make(tmp_path)
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    listed = [path for path in files if path.suffix.lower() not in PICTURES]
    right, wrong = look(tmp_path), {}
    for number in range(count):
        draw = random.Random(f"{name} {number}")
        file = draw.choice(listed if listed and draw.random() < 0.75 else files)
        wrong[number] = accident(look, right, tmp_path, file, draw)
    assert not (found := {number: text for number, text in wrong.items() if text}), "\n".join(map(str, found.items()))


def test_every_accident_happens():
    content = json.dumps({"a": ["one", "two"]}, indent=1).encode()
    found = {damaged(content, random.Random(number)) for number in range(300)}
    assert {how for _, how in found} >= {"flip", "cut", "swap", "lines", "empty", "the same as utf-16"}
    assert all(broken != content or how in ("lines", "swap") for broken, how in found)


def test_there_are_as_many_inputs_as_promised():
    assert len(READERS) * EACH >= 300
    assert len(READERS) * MANY >= 3000


def test_a_reader_that_lets_an_error_through_is_caught(tmp_path):
    """The tier itself can fail: by another error, by one that names no file, by another value."""
    file = tmp_path / "a.txt"
    file.write_text("one\ntwo\n", encoding="utf-8")

    def unnamed(root):
        return (root / "a.txt").read_bytes().decode("utf-8").split("\n") if file.stat().st_size else 1 // 0

    right = unnamed(tmp_path)
    found = {accident(unnamed, right, tmp_path, file, random.Random(number)) for number in range(60)}
    for said in ("UnicodeDecodeError", "ZeroDivisionError", "read otherwise"):
        assert any(said in text for text in found)
