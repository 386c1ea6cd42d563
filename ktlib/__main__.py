"""`python -m ktlib`: what is not a notebook."""

from __future__ import annotations

import argparse
import functools
import json
import os
import sys
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ktlib import places

# Every command imports what it needs when it is chosen (see the comments): one that lists words needs no Sphinx,
# and a fault in one room does not keep the others shut. What can be refused without torch is refused before.

Arguments = argparse.Namespace


@dataclass(frozen=True)
class Command:
    """One command: what it is for, what runs it, and its arguments as `add_argument` takes them.

    `run` returns the exit status; None means all well.
    """

    help: str
    run: Callable[[Arguments], int | None]
    arguments: Sequence[tuple[str, dict[str, Any]]] = ()


def models(_: Arguments) -> None:
    """List what `load` takes."""
    from ktlib.models.load import KINDS, available  # when chosen

    for kind in KINDS:
        print(f"{kind.__name__}:", *available(kind), sep="\n  ")
    print("and any open_clip architecture, with weights=…")


def explain(arguments: Arguments) -> None:
    """Say where the numbers of an item come from, or what a claim rests on."""
    from ktlib.companion.report.explain import explain as explanation  # when chosen

    print(explanation(arguments.item))


def report(_: Arguments) -> None:
    """Write the pages of results from the committed rows."""
    from ktlib.companion.report import page  # when chosen

    page.main()


def _named(text: str) -> Path:
    """A path of the command line; an empty one would be the working directory."""
    if not text.strip():
        raise argparse.ArgumentTypeError("expected a folder, found an empty name; write . for this one")
    return Path(text)


def teach(arguments: Arguments) -> None:
    """Teach a model a concept of one's own, and say what the pictures allow to be said."""
    places.given(arguments.examine)
    if arguments.lessons is not None:
        places.given(arguments.lessons)
    if arguments.known is not None:
        places.given(arguments.known, things=True)
    from ktlib.companion import own  # when chosen

    own.teach(
        arguments.name, arguments.description, arguments.examine, model=arguments.model, known=arguments.known,
        lessons=arguments.lessons, weights=arguments.weights, lr=arguments.lr, steps=arguments.steps,
        seeds=arguments.seeds, as_json=arguments.json,
    )  # fmt: skip


def repeat(arguments: Arguments) -> None:
    """Judge the claims again on rows that are computed with other kernels."""
    from ktlib.companion import rounding  # when chosen
    from ktlib.companion.record.kernels import choose  # when chosen

    kernels = choose(arguments.kernels, arguments.kernels, arguments.threads)
    for one in rounding.repeat(arguments.only, kernels=kernels, root=places.ROOT):
        print(f"{one.claim}: {one}")


def compare(arguments: Arguments) -> int:
    """Put two folders of results beside each other; 0 when nothing differs."""
    for folder in (arguments.before, arguments.after):
        if not any(folder.glob("*.csv")):
            raise FileNotFoundError(f"expected a folder with rows such as kt_tab_1.csv, found none in {folder}")
    from ktlib.companion.record import certificate, rows  # when chosen

    before, after = (rows.read("", folder=folder) for folder in (arguments.before, arguments.after))
    compared = certificate.compare(before, after)
    print(certificate.report(compared))
    return int(not all(item.same for item in compared))


def lab(arguments: Arguments) -> None:
    """Open JupyterLab on a working copy of the notebooks."""
    from ktlib.companion import lab as laboratory  # when chosen

    laboratory.start(fresh=arguments.fresh, arguments=arguments.rest)


def site(arguments: Arguments) -> None:
    """Make pages of the executed notebooks and the results."""
    from ktlib.companion.report import site as pages  # when chosen

    print(f"wrote {pages.build(arguments.scale)}")


def calibrate(arguments: Arguments) -> None:
    """Find and freeze the class names behind an ImageNet baseline."""
    from ktlib.data import imagenet  # when chosen
    from ktlib.evaluate import calibration  # when chosen
    from ktlib.models import DualEncoder, PairScorer, load  # when chosen

    gate = {one.name: one for one in (calibration.CLIP, calibration.ZOOM_SHOT, calibration.VILT)}[arguments.gate]
    calibration.unfrozen(gate)
    if gate is calibration.VILT:
        hundred = imagenet.hundred()
        pairs = {name: load("dandelin/vilt-b32-mlm-itm", PairScorer) for name in gate.targets}
        accuracies = calibration.score_pairs(pairs, hundred, gate.cells)
    else:
        validation = imagenet.read()
        clips = {name: load(f"openai/{name.replace('/', '-')}", DualEncoder) for name in gate.targets}
        accuracies = calibration.score_cells(clips, validation, gate.cells)
    for cell, found in accuracies.items():
        print(cell, {name: f"{100 * value:.2f} %" for name, value in found.items()})
    print("frozen:", calibration.freeze(accuracies, gate))


def train(arguments: Arguments) -> None:
    """Train a pocket model and write its card."""
    from ktlib.pocket import training  # when chosen

    folder = arguments.out or places.WEIGHTS / arguments.name
    changes = {"steps": arguments.steps, "familiarity": arguments.familiarity}
    training.train(arguments.name, folder, replace=arguments.replace, **changes)
    print(f"wrote {folder}")


def check(_: Arguments) -> int:
    """Verify digests, and that the cards' scores reproduce."""
    from ktlib.pocket import training  # when chosen

    problems = [problem for name in training.RECIPES for problem in training.check(name)]
    print("\n".join(problems) or f"{', '.join(training.RECIPES)}: digests and scores are as on their cards")
    return 1 if problems else 0


def data_list(_: Arguments) -> None:
    """List datasets and checkpoints."""
    from ktlib.data import catalogue  # when chosen

    print(catalogue.listing())


def data_show(arguments: Arguments) -> None:
    """Print a manifest."""
    catalogue = _catalogue(arguments.name)
    print(catalogue.show(arguments.name))


def data_check(arguments: Arguments) -> int:
    """Say what is wrong with what is on this machine."""
    catalogue = _catalogue(arguments.name)
    tell = functools.partial(print, file=sys.stderr, flush=True)
    problems = catalogue.check(arguments.name, whole=arguments.all, say=tell)
    print("\n\n".join(problems) or f"{arguments.name}: all there, nothing offends")
    return int(bool(problems))


def data_get(arguments: Arguments) -> int:
    """Download what is open, say what a person must do for the rest."""
    (catalogue,) = {_catalogue(name) for name in arguments.names}  # a misspelt one is named before anything is fetched
    return int(not all([catalogue.get(name) for name in arguments.names]))


def _catalogue(name: str) -> types.ModuleType:
    """The catalogue, which loads torch, once it is known that something is described under a name."""
    from ktlib.data import manifests  # when chosen

    manifests.find(name)
    from ktlib.data import catalogue  # when chosen

    return catalogue


def doctor(arguments: Arguments) -> None:
    """Say what this machine is and which tables it can make."""
    from ktlib.companion import doctor as doctors  # when chosen

    found = doctors.examine()
    told = doctors.whole_page if arguments.full else doctors.page
    print(json.dumps(found, indent=2) if arguments.json else told(found))


def words(_: Arguments) -> None:
    """List the words that pocket models know."""
    from ktlib.pocket.world import vocabulary  # when chosen

    print(" ".join(vocabulary()))


SCALE = ("--scale", {"default": "pocket", "choices": ("pocket", "rehearsal", "paper"), "help": "default: pocket"})
GROUPS = {"pocket": "the drawn world and its models", "data": "the published datasets and checkpoints"}
NAME = ("name", {"help": "of a dataset or checkpoint, as `data list` has it"})
NAMES = ("names", {"nargs": "+", "metavar": "NAME", **NAME[1]})
COMMANDS = {
    "models": Command("list the models that load() takes", models),
    "explain": Command(
        "say where the numbers of a published item come from, or what a claim rests on",
        explain,
        [("item", {"help": 'such as "KT Tab. 1", or a claim, such as K1'})],
    ),
    "teach": Command(
        "teach a model a concept of your own from a description, and see whether your pictures are recognised",
        teach,
        [
            (
                "name",
                {"help": "of the concept; in the pocket wug, dax, blicket, toma, fep and zorp mean nothing yet"},
            ),
            ("--description", {"required": True, "help": "what it looks like, without its name"}),
            ("--examine", {"required": True, "type": _named, "metavar": "FOLDER", "help": "pictures of it"}),
            ("--model", {"default": "pocket/clip-b-0", "help": "as `models` lists them; default: pocket/clip-b-0"}),
            ("--weights", {"help": "a tag or a file, for an architecture of open_clip"}),
            (
                "--known",
                {"type": _named, "metavar": "FOLDER", "help": "what is to be kept: a folder of pictures a thing"},
            ),
            (
                "--lessons",
                {"type": _named, "metavar": "FOLDER", "help": "other pictures of it, for the positive control"},
            ),
            ("--lr", {"type": float, "help": "one rate, which leaves the verdict open; default: several"}),
            ("--steps", {"type": int, "help": "inversion steps; default: the recipe's"}),
            (
                "--seeds",
                {"type": int, "help": "how often all is taught; 1 leaves the verdict open; default: 3"},
            ),
            ("--json", {"action": "store_true", "help": "print all that was measured, for a program"}),
        ],
    ),
    "rounding": Command(
        "repeat verdicts with other kernels and threads, and note them beside the published rows (half an hour)",
        repeat,
        [
            ("--only", {"action": "append", "metavar": "NN", "help": "number of a notebook; may be repeated"}),
            ("--kernels", {"default": "native", "help": "default: native"}),
            ("--threads", {"type": int, "default": 1, "help": "default: 1"}),
        ],
    ),
    "report": Command("write RESULTS.md and its pages from the committed results", report),
    "compare": Command(
        "put two folders of results beside each other; exit status 1 if a row differs",
        compare,
        [
            ("before", {"type": Path, "help": "such as results/pocket"}),
            ("after", {"type": Path, "help": "such as runs/pocket/results"}),
        ],
    ),
    "site": Command("make pages of the executed notebooks, to be read offline", site, [SCALE]),
    "lab": Command(
        "open JupyterLab on a working copy of the notebooks",
        lab,
        [
            ("--fresh", {"action": "store_true", "help": "start anew; former copies are kept beside"}),
        ],
    ),
    "calibrate": Command(
        "paper scale: find the class names behind an ImageNet baseline",
        calibrate,
        [
            (
                "gate",
                {
                    "nargs": "?",
                    "default": "clip",
                    "choices": ("clip", "zoom_shot", "vilt"),
                    "help": "clip (notebook 01, the default), zoom_shot (06) or vilt (01 and 04)",
                },
            ),
        ],
    ),
    "pocket train": Command(
        "train a pocket model (up to 15 minutes on 2 cores, scan-clip half an hour, ViLT an hour; resumes)",
        train,
        [
            (
                "name",
                {
                    "help": "clip-b-0 to -3, clip-l-0 to -3, clip-b, vilt-b, coca-web, coca-plain, medclip, scan-clip, "
                    "sam, mobilenet, densenet, resnet, dino, dinov2"
                },
            ),
            ("--steps", {"type": int, "help": "fewer steps than the recipe"}),
            ("--familiarity", {"type": float, "help": "CLIPs: how often rare names occur, times the recipe's"}),
            ("--out", {"type": Path, "help": "folder; the shipped one by default"}),
            ("--replace", {"action": "store_true", "help": "put the model in the place of a finished one"}),
        ],
    ),
    "pocket check": Command("verify digests and that the cards' scores reproduce", check),
    "doctor": Command(
        "say what this machine is, which tables it can make now, and what the others lack",
        doctor,
        [
            ("--full", {"action": "store_true", "help": "name each thing that is missing, and what hours are made of"}),
            ("--json", {"action": "store_true", "help": "all of it, for a program"}),
        ],
    ),
    "data list": Command("list datasets and checkpoints, and which are there", data_list),
    "data show": Command("say all that is known of one, and what is not verified", data_show, [NAME]),
    "data check": Command(
        "name the first offending files and the expected layout; some pictures are decoded",
        data_check,
        [NAME, ("--all", {"action": "store_true", "help": "decode every picture"})],
    ),
    "data get": Command("download what is open; say what a person must do for the rest", data_get, [NAMES]),
    "pocket words": Command("list the words pocket models know", words),
}


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments, unknown = parser().parse_known_args(argv)
    if unknown and arguments.command is not COMMANDS["lab"]:
        parser().error(f"unrecognized arguments: {' '.join(unknown)}")
    arguments.rest = unknown  # JupyterLab has many arguments of its own; they stay in their order
    try:
        status = arguments.command.run(arguments) or 0
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever read, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nor is there anything to flush at exit
        return 0
    except (ValueError, OSError, RuntimeError) as error:
        print(f"error: {_told(error)}", file=sys.stderr)
        return 1


def _told(error: Exception) -> str:
    """An error in a sentence; what the system refuses has none of its own."""
    if isinstance(error, OSError) and error.strerror:
        return f"expected to read or write {error.filename or 'a file'}, found: {error.strerror}"
    return str(error)


def parser() -> argparse.ArgumentParser:
    """The parser of all commands; one of two words, `pocket train`, stands under the first."""
    whole = argparse.ArgumentParser(prog="python -m ktlib", description=__doc__)
    groups = {"": whole.add_subparsers(required=True, metavar="COMMAND")}
    for name, command in COMMANDS.items():
        group, _, last = name.rpartition(" ")
        if group not in groups:
            about = groups[""].add_parser(group, help=GROUPS[group])
            groups[group] = about.add_subparsers(required=True, metavar="COMMAND")
        own = groups[group].add_parser(last, help=command.help)
        for argument, options in command.arguments:
            own.add_argument(argument, **options)
        own.set_defaults(command=command)
    return whole


if __name__ == "__main__":
    sys.exit(main())
