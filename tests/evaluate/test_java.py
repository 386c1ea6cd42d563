"""Java's programs: found, asked, and ended with a sentence when they hang, die or do not fit."""

import shutil
import time

import pytest
from pycocoevalcap.tokenizer import ptbtokenizer

from ktlib.evaluate import java
from ktlib.evaluate.java import Java, Meteor, NoAnswer

needs_java = pytest.mark.skipif(shutil.which("java") is None, reason="no Java on the PATH")
TEXTS = [
    "A man's dog isn't here, is it?", "two\nlines\u2028in one\x0btext", "a “quoted” café", "", "...", "5% of U.S. cats",
]  # fmt: skip


@pytest.fixture(autouse=True)
def no_java_home(monkeypatch):
    monkeypatch.delenv("JAVA_HOME", raising=False)


@pytest.fixture
def pretend(tmp_path, monkeypatch):
    """Puts a `java` that is a script first on the PATH; it says a version and otherwise does as told."""

    def put(script, version="17.0.1"):
        file = tmp_path / "a path" / "java"
        file.parent.mkdir(exist_ok=True)
        says = f'openjdk version "{version}" 2025-04-15'
        file.write_text(f"#!/bin/sh\nif [ \"$1\" = -version ]; then echo '{says}' >&2; exit 0; fi\n{script}\n")
        file.chmod(0o755)
        monkeypatch.setenv("PATH", f"{file.parent}:/usr/bin:/bin")
        java._version.cache_clear()
        return java.find()

    yield put
    java._version.cache_clear()


def test_java_home_comes_before_the_path(pretend, tmp_path, monkeypatch):
    assert pretend("").path == str(tmp_path / "a path" / "java")
    home = tmp_path / "home" / "bin"
    home.mkdir(parents=True)
    shutil.copy(tmp_path / "a path" / "java", home / "java")
    monkeypatch.setenv("JAVA_HOME", str(home.parent))
    assert java.find() == Java(str(home / "java"), 17)


@pytest.mark.parametrize(("said", "number"), [("1.8.0_292", 8), ("11.0.2", 11), ("17", 17), ("25-ea", 25)])
def test_a_version_is_its_main_number(pretend, said, number):
    assert pretend("", said).version == number


def test_without_java_a_sentence_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoAnswer, match="expected java, found none on the PATH, and JAVA_HOME is unset; install a Java"):
        java.find()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(NoAnswer, match=r"found none in .*bin \(JAVA_HOME\)"):
        java.find()


def test_a_java_that_tells_no_version_is_refused(pretend):
    with pytest.raises(NoAnswer, match="expected a version from .*java -version, found 'openjdk version \"none"):
        pretend("", "none")


@needs_java
def test_words_are_split_as_the_library_splits_them(tmp_path, monkeypatch):
    jar = ptbtokenizer.STANFORD_CORENLP_3_4_1_JAR
    (tmp_path / jar).symlink_to(java.package("tokenizer") / jar)
    monkeypatch.setattr(ptbtokenizer, "__file__", str(tmp_path / "here.py"))  # it writes beside its own file
    texts = [text.replace("\u2028", " ").replace("\x0b", " ") for text in TEXTS]  # at these it would lose its lines
    wanted = ptbtokenizer.PTBTokenizer().tokenize({"1": [{"caption": text} for text in texts]})["1"]
    found = java.tokenize(TEXTS)
    assert [line for line in found if line.isascii()] == [line for line in wanted if line.isascii()]
    assert found[0] == "a man 's dog is n't here is it"
    assert found[1:5] == ["two lines in one text", "a quoted café", "", ""]  # whatever the machine's language


def test_a_tokenizer_that_hangs_is_ended(pretend):
    slow = pretend("sleep 60")  # a child of the script's, which keeps the pipes open
    began = time.monotonic()
    with pytest.raises(NoAnswer, match=r"the PTB tokenizer gave no answer for 0\.3 s and was ended"):
        java.tokenize(["a dog"], java=slow, patience=0.3)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'Error: Could not find the jar' >&2; exit 1", "ended with code 1: Error: Could not find the jar"),
        ("cat > /dev/null", "expected 1 lines from the PTB tokenizer, found 0: it said nothing"),
    ],
)
def test_a_tokenizer_that_fails_says_how(pretend, script, message):
    with pytest.raises(NoAnswer, match=message):
        java.tokenize(["a dog"], java=pretend(script))


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("sleep 60", r"METEOR gave no answer for 0\.3 s and was ended: it said nothing"),
        ("echo 'Exception: file not found' >&2; exit 1", "METEOR died: Exception: file not found"),
        ("read line; echo 'no numbers'", "METEOR was to answer 23 numbers and said 'no numbers'"),
        ("read line; printf '1 2'", "METEOR died"),  # in the middle of an answer
    ],
)
def test_a_meteor_that_hangs_or_dies_ends_in_a_sentence(pretend, script, message):
    meteor = Meteor(java=pretend(script), patience=0.3 if "sleep" in script else 20)
    began = time.monotonic()
    with pytest.raises(NoAnswer, match=message):
        meteor.statistics("a dog", ["a dog"])
    with pytest.raises(NoAnswer, match="METEOR"):  # and it stays ended
        meteor.statistics("a dog", ["a dog"])
    assert time.monotonic() - began < 10
    meteor.close()
    with pytest.raises(NoAnswer, match="METEOR was closed"):
        meteor.statistics("a dog", ["a dog"])


# -- SPICE, whose jars are not at hand ---------------------------------------------------------------------
@pytest.fixture
def jars(tmp_path, monkeypatch):
    """A folder that holds what SPICE needs, by name."""
    (tmp_path / "lib").mkdir()
    for jar in java._SPICE_NEEDS:
        (tmp_path / "lib" / jar).touch()
    monkeypatch.setattr(java, "package", lambda folder: tmp_path)


def test_spice_without_its_jars_says_which(tmp_path, monkeypatch):
    monkeypatch.setattr(java, "package", lambda folder: tmp_path)
    with pytest.raises(NoAnswer, match=r"SPICE needs stanford-corenlp-3\.6\.0\.jar and .* found none; take them from"):
        java.spice({"1": "a dog"}, {"1": ["a dog"]})


def test_a_java_too_new_for_spice_is_named(jars, pretend):
    pretend("", "17.0.1")
    with pytest.raises(NoAnswer, match=r"SPICE needs Java 8 to 11, found Java 17 .*; set JAVA_HOME to one"):
        java.spice({"1": "a dog"}, {"1": ["a dog"]})


def test_spice_is_read_by_image(jars, pretend):
    scores = '[{"image_id": "2", "scores": {"All": {"f": 0.5}}}, {"image_id": "1", "scores": {"All": {"f": 0.25}}}]'
    pretend(f'while [ "$1" != -out ]; do shift; done; echo \'{scores}\' > "$2"', "1.8.0")
    assert java.spice({"1": "a dog", "2": "a cat"}, {"1": ["a dog"], "2": ["a cat"]}) == {"1": 0.25, "2": 0.5}
    with pytest.raises(NoAnswer, match="expected a score of every image from SPICE, found none of 1: 3"):
        java.spice({"3": "a dog"}, {"3": ["a dog"]})


def test_a_spice_that_writes_nothing_is_not_zero(jars, pretend):
    pretend("exit 0", "11.0.2")
    with pytest.raises(NoAnswer, match="expected a score of every image from SPICE, found something else"):
        java.spice({"1": "a dog"}, {"1": ["a dog"]})
