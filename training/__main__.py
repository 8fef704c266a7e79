"""python -m training COMMAND; the commands and their options stand under --help."""

import argparse
import logging
import os
import sys
import traceback
from pathlib import Path
from typing import NoReturn, TypeAlias

from detector.errors import ModelError, SettingError
from detector.options import Parser
from detector.text import start_log
from training.distributed import STRATEGIES, joined
from training.errors import Interrupted, TrainingError
from training.files import write_error_hint
from training.hub import space
from training.options import ExportOptions, add_arguments, add_fields, from_arguments, given_fields

Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


def main(argv: list[str] | None = None) -> int:
    start_log(logging.INFO, "%(asctime)s %(message)s", "%H:%M:%S")
    logging.getLogger("jax").setLevel(logging.WARNING)  # else it tells of every kind of device that is not here
    parser = Parser(prog="python -m training", description="A data set in, a model folder out.")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_recipe(commands)
    _add_fit(commands)
    _add_export(commands)
    _add_evaluate(commands)
    _add_upgrade(commands)
    _add_dedup(commands)
    _add_forge(commands)
    _add_reconstruct(commands)
    _add_convert_face_detector(commands)
    _add_covering(commands)
    _add_publish(commands)
    space.add_command(commands)
    arguments = parser.parse_args(argv)
    try:
        return arguments.run(arguments) or 0
    except (TrainingError, ModelError, SettingError) as error:
        print(error, file=sys.stderr)
        return 2
    except Interrupted as stopped:
        print(stopped, file=sys.stderr)
        return 130
    except OSError as error:
        if (sentence := write_error_hint(error)) is None:
            raise
        print(sentence, file=sys.stderr)
        return 2


def _add_recipe(commands: Commands) -> None:
    from training import recipes

    parser = commands.add_parser("recipe", help="train a model from its first weights to its folder, by one file")
    parser.add_argument("recipe", metavar="NAME", help=f"one of {', '.join(recipes.names())}, or a TOML file")
    parser.add_argument("--data", type=Path, required=True, help="the folder of all sources, DATA in the recipe")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the runs; those begun are continued")
    parser.add_argument("--out", type=Path, required=True, help="the model folder to write")
    parser.add_argument("--cache", type=Path, help="where found faces are kept (default: beside the data)")

    def run(arguments: argparse.Namespace) -> None:
        recipes.follow(arguments.recipe, arguments.data, arguments.runs, arguments.out, cache=arguments.cache)

    parser.set_defaults(run=run)


def _add_fit(commands: Commands) -> None:
    parser = commands.add_parser("fit", help="train")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run: checkpoints, log, TensorBoard")
    parser.add_argument("--resume", action="store_true", help="continue the run in --out, with its own options")
    parser.add_argument("--cache", type=Path, help="where found faces are kept (default: beside the data)")
    together = parser.add_argument_group("several devices", "docs/distributed-training.md tells how")
    together.add_argument(
        "--strategy",
        choices=STRATEGIES,
        default=STRATEGIES[0],
        help="none: one device; data-parallel: every batch shared by all devices of all processes, on JAX "
        "(default: %(default)s)",
    )
    together.add_argument(
        "--coordinator", metavar="HOST:PORT", help="of process 0 (default: as Slurm, Open MPI, Kubernetes say)"
    )
    together.add_argument("--processes", type=int, help="how many (default: as they say, else 1)")
    together.add_argument("--process", type=int, help="which this is, from 0 (default: as they say)")
    add_arguments(parser)

    def run(arguments: argparse.Namespace) -> None:
        place = (arguments.coordinator, arguments.processes, arguments.process)
        with joined(arguments.strategy, *place) as workers:
            from training.fit import fit

            fit(
                from_arguments(arguments),
                arguments.out,
                resume=arguments.resume,
                cache=arguments.cache,
                workers=workers,
            )

    parser.set_defaults(run=run)


def _add_export(commands: Commands) -> None:
    from training.evaluation import calibrate

    parser = commands.add_parser("export", help="a run -> a model folder")
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="the --out of fit")
    parser.add_argument("--out", type=Path, required=True, help="the model folder to write")
    parser.add_argument(
        "--beside",
        type=Path,
        nargs="+",
        default=(),
        metavar="RUN",
        help="other runs, whose networks judge with the first",
    )
    add_fields(parser, ExportOptions)
    add_fields(parser, calibrate.Limits)
    parser.add_argument("--cache", type=Path, help="where found faces are kept (default: beside the data)")

    def run(arguments: argparse.Namespace) -> None:
        from training.export import export

        export(
            arguments.run_folder,
            arguments.out,
            ExportOptions(**given_fields(arguments, ExportOptions)),
            calibrate.Limits(**given_fields(arguments, calibrate.Limits)),
            beside=arguments.beside,
            cache=arguments.cache,
        )

    parser.set_defaults(run=run)


def _add_evaluate(commands: Commands) -> None:
    parser = commands.add_parser("evaluate", help="measure a model folder")
    parser.add_argument(
        "folder", type=Path, metavar="MODEL_FOLDER", help="what export wrote; gets metrics.json, plots and README.md"
    )
    measured = parser.add_mutually_exclusive_group(required=True)
    measured.add_argument(
        "--data",
        nargs="+",
        help="Hub ids or folders that the model was trained on; the first is used for robustness",
    )
    measured.add_argument(
        "--cases",
        type=Path,
        metavar="FOLDER",
        help="judge pictures whose verdict was wrong once, and write nothing; docs/wrong-verdicts.md tells how",
    )
    parser.add_argument(
        "--unseen",
        nargs="+",
        default=[],
        help="Hub ids or folders without a picture in training: their validation split is measured first",
    )
    parser.add_argument("--splits", nargs="+", default=["validation", "test"], help="(default: validation test)")
    parser.add_argument(
        "--streaming", action="store_true", help="read the splits from the Hub without a download of the others"
    )
    parser.add_argument("--limit", type=int, help="pictures of each class and split (default: all)")
    parser.add_argument(
        "--robustness",
        type=int,
        default=100,
        help="pictures of each class under each corruption, 0: none (default: %(default)s)",
    )
    parser.add_argument(
        "--reencoding",
        type=int,
        default=25,
        help="pictures of each class and unseen set that are re-encoded 1 to 6 times as social networks do, 0: none "
        "(default: %(default)s)",
    )
    parser.add_argument("--workers", type=int, help="threads (default: one a core)")
    parser.add_argument("--cache", type=Path, help="where found faces are kept (default: beside the data)")

    def run(arguments: argparse.Namespace) -> int:
        if arguments.cases is not None:
            from training.evaluation import cases

            return cases.run(arguments.folder, arguments.cases)
        from training.evaluation.evaluate import EvaluateOptions, evaluate

        options = EvaluateOptions(**given_fields(arguments, EvaluateOptions))
        evaluate(arguments.folder, options, cache=arguments.cache)
        return 0

    parser.set_defaults(run=run)


def _add_upgrade(commands: Commands) -> None:
    parser = commands.add_parser("upgrade", help="a model folder of an older format -> the newest")
    parser.add_argument("folder", type=Path, metavar="MODEL_FOLDER", help="what export wrote")

    def run(arguments: argparse.Namespace) -> None:
        from training import upgrade

        upgrade.upgrade(arguments.folder)

    parser.set_defaults(run=run)


def _add_convert_face_detector(commands: Commands) -> None:
    parser = commands.add_parser(
        "convert-face-detector", help="the face detector's published weights -> the network that the detector serves"
    )
    parser.add_argument("--out", type=Path, help="file to write (default: the detector's own)")

    def run(arguments: argparse.Namespace) -> None:
        from detector.face_detector import MODEL
        from training import face_detector

        print(face_detector.convert(arguments.out or MODEL))

    parser.set_defaults(run=run)


def _add_covering(commands: Commands) -> None:
    parser = commands.add_parser("covering", help="train the network that notices covered faces")
    parser.add_argument("--data", nargs="+", required=True, metavar="SPEC", help="faces, of whatever label")
    parser.add_argument("--limit", type=int, help="pictures of each class and set (default: all)")
    parser.add_argument("--out", type=Path, help="file to write (default: the detector's own)")
    parser.add_argument("--cache", type=Path, help="where found faces are kept (default: beside the data)")

    def run(arguments: argparse.Namespace) -> None:
        from detector.covering import MODEL
        from training import covering

        print(covering.train(arguments.data, arguments.out or MODEL, limit=arguments.limit, cache=arguments.cache))

    parser.set_defaults(run=run)


def _add_dedup(commands: Commands) -> None:
    parser = commands.add_parser("dedup", help="exclude from unseen sets and tests what is also trained on")
    parser.add_argument("--data", nargs="+", required=True, metavar="SPEC", help="what is trained on")
    parser.add_argument(
        "--exclude-from", nargs="+", required=True, metavar="FOLDER", help="sets to exclude such pictures from"
    )
    parser.add_argument("--split", default="validation", help="of the sets (default: %(default)s)")
    parser.add_argument("--cache", type=Path, help="where found faces are kept (default: beside the data)")

    def run(arguments: argparse.Namespace) -> None:
        from training.data import dedup

        dedup.exclude(arguments.exclude_from, arguments.split, arguments.data, cache=arguments.cache)

    parser.set_defaults(run=run)


def _add_forge(commands: Commands) -> None:
    from training.augment.forge import ForgeOptions, forge

    parser = commands.add_parser("forge", help="real photographs -> a data set of forgeries made of them")
    parser.add_argument("photos", type=Path, metavar="INPUT", help="folder of photographs of people")
    parser.add_argument("--out", type=Path, required=True, help="folder to write; --data takes it")
    add_fields(parser, ForgeOptions)

    def run(given: argparse.Namespace) -> None:
        forge(given.photos, given.out, ForgeOptions(**given_fields(given, ForgeOptions)))

    parser.set_defaults(run=run)


def _add_reconstruct(commands: Commands) -> None:
    from training.reconstruct.options import ReconstructOptions

    parser = commands.add_parser("reconstruct", help="real photographs -> pairs with what an autoencoder makes of them")
    parser.add_argument(
        "photos", nargs="+", metavar="PHOTOS", help="folder of photographs of people, or a data set with real ones"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write; --data takes it")
    parser.add_argument("--cache", type=Path, help="where found faces are kept (default: beside the data)")
    add_fields(parser, ReconstructOptions)

    def run(given: argparse.Namespace) -> None:
        from training.reconstruct.pairs import reconstruct

        options = ReconstructOptions(**given_fields(given, ReconstructOptions))
        print(f"{reconstruct(given.photos, given.out, options, cache=given.cache)} pairs")

    parser.set_defaults(run=run)


def _add_publish(commands: Commands) -> None:
    parser = commands.add_parser("publish", help="a model folder -> the Hub; HF_TOKEN says who you are")
    parser.add_argument("folder", type=Path, metavar="MODEL_FOLDER", help="what export and evaluate wrote")
    parser.add_argument("repo", metavar="owner/name", help="created if missing")
    parser.add_argument("--private", action="store_true", help="make the repository private")
    parser.add_argument("--tag", metavar="v1.2", help="tag for the commit")
    parser.add_argument("--pr", action="store_true", help="open a pull request instead of changing the main branch")
    parser.add_argument(
        "--allow-worse", action="store_true", help="even where the published model has better figures on the same data"
    )

    def run(arguments: argparse.Namespace) -> None:
        from training.hub.publish import publish

        revision = publish(
            arguments.folder,
            arguments.repo,
            private=arguments.private,
            tag=arguments.tag,
            pull_request=arguments.pr,
            allow_worse=arguments.allow_worse,
        )
        print(f"{arguments.repo}@{revision}")

    parser.set_defaults(run=run)


def _leave(status: int) -> NoReturn:
    """End the process at once: to take TensorFlow or JAX down takes seconds, JAX waits for a worker that is lost, and a
    thread that still waits for the Hub in native code would abort an ordinary end."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    try:
        status = main()
    except Exception:
        traceback.print_exc()
        status = 1
    _leave(status)
