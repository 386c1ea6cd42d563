"""`python -m ktlib`: what is not a notebook."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.command(arguments) or 0
    except (ValueError, FileNotFoundError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ktlib", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    models = commands.add_parser("models", help="list the models that load() and load_encoder() take")
    models.set_defaults(command=_models)

    explain = commands.add_parser("explain", help="say where the numbers of a published item come from")
    explain.add_argument("item", help='such as "KT Tab. 1"')
    explain.set_defaults(command=_explain)

    calibrate = commands.add_parser("calibrate", help="paper scale: find the class names behind the ImageNet baselines")
    calibrate.set_defaults(command=_calibrate)

    pocket = commands.add_parser("pocket", help="the drawn world and its models").add_subparsers(required=True)
    train = pocket.add_parser("train", help="train a pocket model (up to 15 minutes on 2 cores, ViLT an hour; resumes)")
    train.add_argument("name", help="clip-b, clip-l, vilt-b, mobilenet, densenet, resnet, dino or dinov2")
    train.add_argument("--steps", type=int, help="fewer steps than the recipe")
    train.add_argument("--familiarity", type=float, help="CLIPs: how often rare names occur, times the recipe's")
    train.add_argument("--out", type=Path, help="folder; the shipped one by default")
    train.set_defaults(command=_train)
    check = pocket.add_parser("check", help="verify digests and that the cards' scores reproduce")
    check.set_defaults(command=_check)
    words = pocket.add_parser("words", help="list the words pocket models know")
    words.set_defaults(command=_words)
    return parser


def _models(_: argparse.Namespace) -> None:
    from ktlib.models import available, available_encoders

    print("\n".join(available()), "\nand any open_clip architecture, with weights=…", sep="")
    print("vision encoders, for load_encoder():", *available_encoders(), sep="\n")


def _explain(arguments: argparse.Namespace) -> None:
    from ktlib.companion.report.explain import explain

    print(explain(arguments.item))


def _calibrate(_: argparse.Namespace) -> None:
    from ktlib.data import imagenet
    from ktlib.evaluate import calibration
    from ktlib.evaluate.score_cells import score_cells
    from ktlib.models import load

    validation = imagenet.read()
    models = {"ViT-B/32": load("openai/ViT-B-32"), "ViT-L/14": load("openai/ViT-L-14")}
    accuracies = score_cells(models, validation)
    for cell, found in accuracies.items():
        print(cell, {name: f"{100 * value:.2f} %" for name, value in found.items()})
    print("frozen:", calibration.freeze(accuracies))


def _train(arguments: argparse.Namespace) -> None:
    from ktlib.places import WEIGHTS
    from ktlib.pocket import training

    folder = arguments.out or WEIGHTS / arguments.name
    training.train(arguments.name, folder, steps=arguments.steps, familiarity=arguments.familiarity)
    print(f"wrote {folder}")


def _check(_: argparse.Namespace) -> int:
    from ktlib.pocket import training

    problems = [problem for name in training.RECIPES for problem in training.check(name)]
    print("\n".join(problems) or f"{', '.join(training.RECIPES)}: digests and scores are as on their cards")
    return 1 if problems else 0


def _words(_: argparse.Namespace) -> None:
    from ktlib.pocket.world import vocabulary

    print(" ".join(vocabulary()))


if __name__ == "__main__":
    sys.exit(main())
