"""What `python -m ktlib data` says and does; the server is on the loopback."""

import hashlib
import io
import json
import socket
import tarfile
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ktlib.__main__ import main
from ktlib.companion.sources import generated as fixtures
from ktlib.data import catalogue, manifests
from tests.damage import damage

NAMES = [*manifests.datasets(), *manifests.checkpoints()]


@pytest.fixture(autouse=True)
def nothing(tmp_path, monkeypatch):
    """A machine with no data and no weights, that may be online."""
    monkeypatch.setenv("KT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("ktlib.data.hub.try_to_load_from_cache", lambda *_, **__: None)
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "data"


def test_all_are_listed_with_what_is_there_and_the_way_to_the_rest(nothing, capsys):
    fixtures.zoom_shot(nothing)
    assert main(["data", "list"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    assert set(NAMES) <= set(lines)
    assert " there " in lines["cifar10"]
    assert " missing " in lines["jsrt"] and "by hand (with an account or an agreement)" in lines["jsrt"]
    assert "python -m ktlib data get mscoco" in lines["mscoco"]
    assert " not used " in lines["stabilityai/stable-diffusion-xl-base-1.0"]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_verified_is_shown(name):
    text, one = " ".join(catalogue.show(name).split()), manifests.find(name)
    assert all(word in text for doubt in one.unverified for word in doubt.split() if word.isalpha())
    assert ("NO: see" in text) == (not one.verified)


@pytest.mark.parametrize("verb", ["show", "check", "get"])
def test_an_unknown_name_is_answered_with_those_that_come_near(verb, capsys):
    assert main(["data", verb, "FLICKR30"]) == 1
    assert "found 'FLICKR30'; did you mean flickr30k? all: python -m ktlib data list" in capsys.readouterr().err
    assert main(["data", verb, "cats and dogs"]) == 1
    assert "found 'cats and dogs'; all: python -m ktlib data list" in capsys.readouterr().err


def test_letters_are_read_as_they_come(capsys):
    assert main(["data", "show", "Flickr30K"]) == 0
    assert "flickr30k" in capsys.readouterr().out


def test_the_first_offending_files_and_the_layout_are_named(nothing, capsys):
    fixtures.zoom_shot(nothing)
    assert main(["data", "check", "cifar10"]) == 0
    pictures = sorted((nothing / "flowers-102" / "jpg").glob("*.jpg"))
    pictures[0].write_bytes(b"")
    pictures[1].write_bytes(b"<html>not found</html>")
    capsys.readouterr()
    assert main(["data", "check", "flowers_102"]) == 1
    said = capsys.readouterr().out
    assert f"jpg/{pictures[0].name}: empty" in said
    assert f"jpg/{pictures[1].name}: expected a .jpg file, found one that begins with b'<htm'" in said
    assert "12 of at least 8,189 images" in said
    assert "flowers-102/jpg/image_<5 digits>.jpg" in said


def test_no_more_files_are_named_than_can_be_read(nothing):
    (nothing / "jsrt").mkdir(parents=True)
    for number in range(1, 31):
        (nothing / "jsrt" / f"JPCLN{number:03}.IMG").write_bytes(b"x" * number)
    said = "\n".join(catalogue.check("jsrt"))
    assert "30 offending files" in said
    assert said.count("expected 8,388,608 bytes, found") <= catalogue.SHOWN


def test_a_half_downloaded_archive_is_named(nothing):
    (nothing / "downloads").mkdir(parents=True)
    (nothing / "downloads" / "cifar-10-python.tar.gz.part").write_bytes(b"x")
    said = "\n".join(catalogue.check("cifar10"))
    assert "half downloaded; python -m ktlib data get cifar10 goes on" in said


def test_half_a_checkpoint_is_named(nothing):
    one = manifests.checkpoint("openai/ViT-B-32")
    one.place.parent.mkdir(parents=True)
    save_file({"weight": torch.zeros(100)}, one.place)
    assert catalogue.check(one.name) == []
    whole = one.place.read_bytes()
    for content in (whole[:-7], whole[:20], b"<html>", b""):
        one.place.write_bytes(content)
        (said,) = catalogue.check(one.name)
        assert "expected a safetensors file with" in said and f"found {len(content):,} bytes; get it again" in said


def test_other_weights_than_the_published_are_named(nothing):
    one = manifests.checkpoint("torchvision/mobilenet_v3_small")
    kept = nothing.parent / "torch" / "hub" / "checkpoints" / one.wanted
    kept.parent.mkdir(parents=True)
    torch.save({"weight": torch.zeros(3)}, kept)
    assert "expected sha256 047dcff4, found" in catalogue.check(one.name)[0]
    kept.write_bytes(b"<html>")
    assert "expected weights saved by torch" in catalogue.check(one.name)[0]


# -- get ----------------------------------------------------------------------------------------------
@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    handler.log_message = lambda *_: None
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def serve(server, monkeypatch, *, member="cifar-10-batches-py/{}"):
    """CIFAR-10's archive, small, on the loopback."""
    folder, address = server
    archive = folder / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as whole:
        for name in [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch", "batches.meta"]:
            info = tarfile.TarInfo(member.format(name))
            info.size = 3
            whole.addfile(info, io.BytesIO(b"abc"))
    real = manifests.dataset("cifar10")
    md5 = hashlib.md5(archive.read_bytes()).hexdigest()
    one = replace(
        real,
        downloads=(manifests.Download(f"{address}/cifar-10-python.tar.gz", ".", True),),
        checksums={"cifar-10-python.tar.gz": {"md5": md5, "source": "this test"}},
    )
    monkeypatch.setattr(manifests, "dataset", lambda name: one if name == "cifar10" else real)
    return archive


def test_an_open_dataset_is_fetched_checked_and_unpacked_once(server, nothing, monkeypatch):
    archive = serve(server, monkeypatch)
    said = []
    assert catalogue.get("cifar10", say=said.append)
    assert (nothing / "cifar-10-batches-py" / "test_batch").read_bytes() == b"abc"
    assert not list((nothing / "downloads").glob("*.tar.gz*part"))
    assert said[-1] == "cifar10 is there"
    archive.unlink()
    assert catalogue.get("cifar10", say=said.append)  # nothing is asked for again
    (nothing / "cifar-10-batches-py" / "test_batch").unlink()
    with pytest.raises(ConnectionError, match="found status 404"):  # what was deleted is
        catalogue.get("cifar10", say=said.append)


def test_an_archive_that_leads_out_puts_nothing_anywhere(server, nothing, monkeypatch, capsys):
    serve(server, monkeypatch, member="../{}")
    assert main(["data", "get", "cifar10"]) == 1
    assert "which leads out of it; do not use it" in capsys.readouterr().err
    assert [path.name for path in nothing.iterdir()] == ["downloads"]


@pytest.mark.parametrize("name", ["jsrt", "brats_2023", "udiat", "stanford_cars", "HealthX-Lab/MedCLIP-SAMv2"])
def test_for_what_is_gated_the_steps_of_a_person_are_said_and_nothing_is_fetched(name, monkeypatch, capsys):
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("nothing may be fetched"))
    assert main(["data", "get", name]) == 1
    said = capsys.readouterr().out
    one = manifests.find(name)
    steps = one.by_hand if isinstance(one, manifests.Checkpoint) else one.how_to_get
    assert all(step in said for step in steps)


def test_weights_of_the_hub_are_fetched_by_its_own_library_with_their_words(nothing, monkeypatch):
    asked = hub(nothing, monkeypatch)
    one = manifests.checkpoint("dandelin/vilt-b32-mlm-itm")
    catalogue.get(one.name, say=lambda _: None)
    pinned = one.hub["revision"]
    assert asked == [(one.name, "pytorch_model.bin", pinned), ("dandelin/vilt-b32-mlm", "*.json", "main")]
    asked.clear()
    medclip = manifests.checkpoint("RyanWangZf/MedCLIP-ViT")
    medclip.place.parent.mkdir(parents=True, exist_ok=True)
    torch.save({}, medclip.place)
    with pytest.raises(ValueError, match="which others recorded"):
        catalogue.get(medclip.name, say=lambda _: None)
    assert asked == [("emilyalsentzer/Bio_ClinicalBERT", "*.json", medclip.also[0]["revision"])]


def hub(nothing, monkeypatch, commit="0123abcd" * 5):
    """The hub's library and its cache, without a hub: the newest revision of everything is `commit`."""
    asked, cache = [], nothing.parent / "hub"

    def one(repository, file, revision):
        asked.append((repository, file, revision))
        came = cache / repository / "snapshots" / (commit if revision == "main" else revision) / file
        came.parent.mkdir(parents=True)
        save_file({"weight": torch.zeros(3)}, came) if came.suffix == ".safetensors" else torch.save({}, came)
        return str(came)

    def cached(repository, file, revision):
        came = cache / repository / "snapshots" / (commit if revision == "main" else revision) / file
        return str(came) if came.is_file() else None

    def many(repository, revision, allow_patterns):
        asked.append((repository, allow_patterns[0], revision))

    monkeypatch.setattr(catalogue.huggingface_hub, "hf_hub_download", one)
    monkeypatch.setattr(catalogue.huggingface_hub, "snapshot_download", many)
    monkeypatch.setattr("ktlib.data.hub.try_to_load_from_cache", cached)
    return asked


@pytest.mark.parametrize(("name", "kind"), [("openai/ViT-B-32", "unpinned"), ("dandelin/vilt-b32-mlm-itm", "pinned")])
def test_which_revision_came_is_said_and_written_down(nothing, monkeypatch, name, kind):
    hub(nothing, monkeypatch)
    said, one = [], manifests.checkpoint(name)
    assert "on this machine: nothing" in catalogue.show(name)
    catalogue.get(name, say=said.append)
    revision = one.hub.get("revision", "0123abcd" * 5)
    assert f"revision {revision} ({kind})" in "\n".join(said)
    known = json.loads(one.record.read_text(encoding="utf-8"))
    assert known["revision"] == revision
    assert known["sha256"] == hashlib.sha256(one.file().read_bytes()).hexdigest()
    shown = " ".join(catalogue.show(name).split())
    assert f"revision {revision}; {one.record} says what came" in shown


def test_a_file_whose_publisher_states_no_digest_is_compared_with_what_others_recorded(nothing):
    one = manifests.checkpoint("RyanWangZf/MedCLIP-ViT")
    one.place.parent.mkdir(parents=True)
    torch.save({"weight": torch.zeros(3)}, one.place)
    said = catalogue.check(one.name)
    assert f"expected sha256 {one.recorded['sha256']}, which others recorded (its publisher states none)" in said[-1]
    same = replace(one, recorded={"sha256": hashlib.sha256(one.place.read_bytes()).hexdigest(), "source": "this test"})
    assert catalogue.weights(same, one.place) == []


def test_several_are_got_one_after_the_other_and_none_where_one_is_misspelt(monkeypatch, capsys):
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("nothing may be fetched"))
    assert main(["data", "get", "jsrt", "udiat"]) == 1
    said = capsys.readouterr().out
    assert all(step in said for name in ("jsrt", "udiat") for step in manifests.dataset(name).how_to_get)
    assert main(["data", "get", "jsrt", "zzz"]) == 1
    told = capsys.readouterr()
    assert told.out == "" and "found 'zzz'" in told.err


def test_offline_nothing_of_the_hub_is_asked_for(monkeypatch, capsys):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main(["data", "get", "openai/ViT-B-32"]) == 1
    assert "unset both and try again" in capsys.readouterr().err


def test_only_get_fetches_anything(nothing, monkeypatch):
    """No other verb opens a connection, and no other module imports what does."""
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("nothing may be fetched"))
    catalogue.listing()
    for name in NAMES:
        catalogue.show(name)
        catalogue.check(name)
    package = Path(catalogue.__file__).parents[1]
    for path in package.rglob("*.py"):
        if path.stem not in ("fetch", "catalogue"):
            text = path.read_text(encoding="utf-8")
            assert "httpx" not in text and "import fetch" not in text and "urllib.request" not in text, path
            calls = "catalogue.get(" in text
            assert not calls or path.stem == "__main__", path


def test_a_manifest_is_shown_as_yaml_that_can_be_read_again():
    import yaml

    for name in NAMES:
        assert json.dumps(yaml.safe_load(catalogue.show(name)))


@pytest.mark.parametrize("head", ["[]", "3", "null", '{"a": {"data_offsets": ["x", "y"]}}', "[" * 50_000])
def test_a_head_of_weights_that_names_no_tensors_is_told(tmp_path, head):
    file = tmp_path / "model.safetensors"
    file.write_bytes(len(head).to_bytes(8, "little") + head.encode() + b"00")
    (said,) = catalogue.weights(manifests.checkpoint("openai/ViT-B-32"), file)
    assert "expected a safetensors file with a head that names tensors, found" in said


@pytest.mark.parametrize("how", ["cut short", "a web page", "no bytes"])
def test_a_picture_that_cannot_be_decoded_is_named(nothing, capsys, how):
    fixtures.zoom_shot(nothing)
    home = nothing / "flowers-102"
    clean = [text for text in catalogue.check("flowers_102", whole=True) if "offending" in text]
    assert clean == []
    file = damage(home, {"cut short": "truncated image", "a web page": "web page", "no bytes": "empty image"}[how])
    said = "\n".join(catalogue.check("flowers_102", say=print))
    told = {"cut short": "cannot be decoded", "a web page": "(a web page that was saved", "no bytes": "empty"}[how]
    assert f"1 offending files in {home}" in said
    (line,) = [line for line in said.splitlines() if file.name in line]
    assert told in line
    assert "decoded " in capsys.readouterr().out


def test_a_sample_is_decoded_unless_all_are_asked_for(nothing, monkeypatch):
    fixtures.zoom_shot(nothing)
    monkeypatch.setattr(catalogue, "SAMPLE", 3)
    seen = []
    monkeypatch.setattr(catalogue.images, "decoded", seen.append)
    catalogue.check("flowers_102")
    names = sorted(path.name for path in (nothing / "flowers-102" / "jpg").iterdir())
    assert [path.name for path in seen] == [names[0], names[(len(names) - 1) // 2], names[-1]]
    seen.clear()
    catalogue.check("flowers_102", whole=True)
    assert [path.name for path in seen] == names


def test_no_page_of_a_person_s_site_is_given_to_curl(nothing, capsys):
    assert main(["data", "get", "HealthX-Lab/MedCLIP-SAMv2"]) == 1
    said = capsys.readouterr().out
    assert "curl --location" not in said and "in a browser" in said
