"""The Java programs behind caption metrics: Stanford's PTB tokenizer, METEOR 1.5 and SPICE.

Their jars come with pycocoevalcap. Its own wrappers take whatever `java` the PATH has, wait for ever, write into
the installed package and fetch what they lack; and METEOR finds no paraphrases where the package lies in a folder
with a space in its path. So the jars are started here, with the options of those wrappers and with patience that ends.
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import json
import math
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pycocoevalcap.tokenizer.ptbtokenizer import PUNCTUATIONS, STANFORD_CORENLP_3_4_1_JAR

from ktlib import places

PATIENCE = 120.0  # seconds for an answer: METEOR reads 60 MB of paraphrases first, 6 s on an idle core
SPICE_PATIENCE = 3600.0  # seconds: it parses every reference
SPICE_JAVA = (8, 11)  # newer ones forbid the reflection that its serialiser needs
_SPICE_NEEDS = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")  # not in pycocoevalcap


class NoAnswer(RuntimeError):
    """A program is absent or unfit, died, or gave no answer; the message says which, and what to do."""


@dataclass(frozen=True)
class Java:
    """A Java that runs.

    Attributes:
        path: of the program `java`.
        version: its main number: 8, 11, 17.
    """

    path: str
    version: int

    def command(self, *options: str) -> list[str]:
        """The words of a command; text goes in and out as UTF-8, whatever the machine's language is."""
        return [self.path, "-Dfile.encoding=UTF-8", *options]


def find() -> Java:
    """The Java of `JAVA_HOME`, or the first on the PATH where that is unset.

    Raises:
        NoAnswer: there is none, or it does not say its version.
    """
    home = places.java()
    path = shutil.which("java", path=str(home / "bin")) if home else shutil.which("java")
    if path is None:
        where = f"in {home / 'bin'} (JAVA_HOME)" if home else "on the PATH, and JAVA_HOME is unset"
        raise NoAnswer(f"expected java, found none {where}; install a Java runtime or set JAVA_HOME to one")
    return Java(path, _version(path))


@functools.cache
def _version(path: str) -> int:
    said = _run([path, "-version"], "java -version").stderr
    if not (found := re.search(r'version "(?:1\.)?(\d+)', said)):
        raise NoAnswer(
            f"expected a version from {path} -version, found {said[:80]!r}; set JAVA_HOME to a Java that runs"
        )
    return int(found.group(1))


def package(folder: str) -> Path:
    """A folder of pycocoevalcap, where jars lie: `meteor`, `tokenizer` or `spice`."""
    spec = importlib.util.find_spec(f"pycocoevalcap.{folder}")
    assert spec is not None and spec.submodule_search_locations is not None  # it is in the lock
    return Path(next(iter(spec.submodule_search_locations)))


def tokenize(texts: Sequence[str], *, java: Java | None = None, patience: float = PATIENCE) -> list[str]:
    """The words of each text, in lower case and without punctuation, as COCO's evaluation splits them; one run for all.

    Args:
        texts: any; a text of several lines is read as one.
        java: the one to use; by default `find()`.
        patience: seconds to wait for the whole.

    Returns:
        For each text its words with a space between two; empty where it has none.

    Raises:
        NoAnswer: Java is absent, the tokenizer died, or it took too long.

    Source: pycocoevalcap, `PTBTokenizer` (the same jar, options and list of punctuation).
    """
    java = java or find()
    lines = [" ".join(text.split()) for text in texts]  # no line break of any kind may shift the lines
    options = ["-cp", str(package("tokenizer") / STANFORD_CORENLP_3_4_1_JAR), "edu.stanford.nlp.process.PTBTokenizer"]
    done = _run(
        java.command(*options, "-preserveLines", "-lowerCase"),
        "the PTB tokenizer", text="".join(f"{line}\n" for line in lines), patience=patience,
    )  # fmt: skip
    split = done.stdout.split("\n")[:-1]
    if len(split) != len(lines):
        raise NoAnswer(f"expected {len(lines)} lines from the PTB tokenizer, found {len(split)}: {_last(done.stderr)}")
    return [" ".join(word for word in line.split(" ") if word and word not in PUNCTUATIONS) for line in split]


class Meteor:
    """METEOR 1.5 for English: one running program that is asked line by line.

    Args:
        java: the one to use; by default `find()`.
        patience: seconds to wait for one answer.

    Raises:
        NoAnswer: Java is absent.

    Source: Denkowski and Lavie 2014; options as in pycocoevalcap, and the paraphrases named (see the module).
    """

    def __init__(self, *, java: Java | None = None, patience: float = PATIENCE) -> None:
        java = java or find()
        self._patience = patience
        self._complaints: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # never fills up
        options = ["-Xmx2G", "-jar", "meteor-1.5.jar", "-", "-", "-stdio", "-l", "en", "-norm"]
        self._program = subprocess.Popen(
            java.command(*options, "-a", "data/paraphrase-en.gz"),
            cwd=package("meteor"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._complaints,
            encoding="utf-8", errors="replace", start_new_session=True,
        )  # fmt: skip
        atexit.register(self.close)

    def statistics(self, words: str, references: Sequence[str]) -> list[float]:
        """Counts of a caption's matches with the reference it fits best.

        Args:
            words: of the caption, tokenised.
            references: tokenised.

        Returns:
            Lengths, matches by kind of match and kind of word, chunks: 23 numbers, to be summed over images.

        Raises:
            NoAnswer: the program died or kept silent.
        """
        told = " ||| ".join(text.replace("|||", " ") for text in (*references, words))
        return self._numbers(self._ask(f"SCORE ||| {told}")[0], 23)

    def scores(self, statistics: Sequence[Sequence[float]]) -> tuple[list[float], float]:
        """The score of each caption, and that of all together, from their `statistics`; fractions.

        Raises:
            NoAnswer: the program died or kept silent.
        """
        line = " ||| ".join(" ".join(map(str, counts)) for counts in statistics)
        *each, whole = self._ask(f"EVAL ||| {line}", len(statistics) + 1)
        return [self._numbers(score, 1)[0] for score in each], self._numbers(whole, 1)[0]

    def close(self) -> None:
        """End the program."""
        atexit.unregister(self.close)
        _end(self._program)
        self._program.communicate()
        self._complaints.close()

    def _ask(self, line: str, answers: int = 1) -> list[str]:
        assert self._program.stdin is not None and self._program.stdout is not None
        watch = threading.Timer(self._patience, _end, [self._program])  # a killed program ends every wait
        began = time.monotonic()
        watch.start()
        try:
            self._program.stdin.write(f"{line}\n")
            self._program.stdin.flush()
            heard = [self._program.stdout.readline() for _ in range(answers)]
        except (OSError, ValueError):  # a broken pipe, or one that is closed
            heard = [""]
        finally:
            watch.cancel()
        if not all(answer.endswith("\n") for answer in heard):
            waited = time.monotonic() - began >= self._patience
            raise NoAnswer(self._why(f"gave no answer for {self._patience:g} s and was ended" if waited else "died"))
        return heard

    def _why(self, what: str) -> str:
        if self._complaints.closed:
            return "METEOR was closed; start another"
        _end(self._program)
        self._program.wait()
        self._complaints.seek(0)
        return f"METEOR {what}: {_last(self._complaints.read())}"

    def _numbers(self, answer: str, count: int) -> list[float]:
        try:
            numbers = [float(number) for number in answer.split()]
        except ValueError:
            numbers = []
        if len(numbers) != count:
            raise NoAnswer(self._why(f"was to answer {count} numbers and said {answer.strip()[:60]!r}"))
        return numbers


@functools.cache
def meteor(java: Java) -> Meteor:
    """The one METEOR of a run; `meteor.cache_clear()` lets the next call start another."""
    return Meteor(java=java)


def spice(
    words: Mapping[str, str],
    references: Mapping[str, Sequence[str]],
    *,
    java: Java | None = None,
    patience: float = SPICE_PATIENCE,
) -> dict[str, float]:
    """SPICE of each image: how well a caption's objects, attributes and relations fit its references'; fractions.

    Args:
        words: of the caption of each image, tokenised.
        references: of the same images, tokenised.
        java: the one to use; by default `find()`.
        patience: seconds to wait for the whole.

    Raises:
        NoAnswer: CoreNLP's jars are absent, Java is absent or does not fit, or the program died or took too long.

    Source: Anderson et al. 2016; command as in pycocoevalcap, without its download and its cache.
    """
    home = package("spice")
    if absent := [jar for jar in _SPICE_NEEDS if not (home / "lib" / jar).is_file()]:
        raise NoAnswer(
            f"SPICE needs {' and '.join(absent)} in {home / 'lib'}, found none; take them from Stanford CoreNLP 3.6.0"
        )
    java = java or find()
    oldest, newest = SPICE_JAVA
    if not oldest <= java.version <= newest:
        raise NoAnswer(
            f"SPICE needs Java {oldest} to {newest}, found Java {java.version} ({java.path}); set JAVA_HOME to one"
        )
    told = [{"image_id": id, "test": words[id], "refs": list(references[id])} for id in words]
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder, "captions.json"), Path(folder, "scores.json")
        given.write_text(json.dumps(told), encoding="utf-8")
        options = ["-Xmx8G", "-jar", str(home / "spice-1.0.jar"), str(given), "-out", str(found), "-subset", "-silent"]
        _run(java.command(*options), "SPICE", patience=patience)
        try:
            scores = {
                one["image_id"]: float(one["scores"]["All"]["f"])
                for one in json.loads(found.read_text(encoding="utf-8"))
            }
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise NoAnswer(f"expected a score of every image from SPICE, found something else ({error})") from error
    if bad := [id for id in words if not math.isfinite(scores.get(id, math.nan))]:
        raise NoAnswer(f"expected a score of every image from SPICE, found none of {len(bad)}: {', '.join(bad[:3])}")
    return {id: scores[id] for id in words}


def _run(
    command: list[str], name: str, *, text: str = "", patience: float = PATIENCE
) -> subprocess.CompletedProcess[str]:
    pipe = subprocess.PIPE
    try:
        program = subprocess.Popen(
            command, encoding="utf-8", errors="replace", start_new_session=True, stdin=pipe, stdout=pipe, stderr=pipe
        )  # half a character, as some files hold, is a question mark
    except OSError as error:
        raise NoAnswer(f"{name} could not be started ({error}); set JAVA_HOME to a Java that runs") from error
    try:
        said, complained = program.communicate(text, timeout=patience)
    except subprocess.TimeoutExpired as error:
        raise NoAnswer(f"{name} gave no answer for {patience:g} s and was ended") from error
    finally:
        _end(program)
        program.wait()
    if program.returncode:
        raise NoAnswer(f"{name} ended with code {program.returncode}: {_last(complained)}")
    return subprocess.CompletedProcess(command, 0, said, complained)


def _end(program: subprocess.Popen[str]) -> None:
    """End a program and what it started: `java` may be a script."""
    if program.poll() is None:
        os.killpg(program.pid, signal.SIGKILL)


def _last(complaints: str) -> str:
    """What a program said first of what went wrong; Java's later lines say where."""
    lines = [line.strip() for line in complaints.splitlines() if line.strip()]
    wrong = [line for line in lines if "Exception" in line or "rror" in line]
    return (wrong or lines or ["it said nothing"])[0][:200]
