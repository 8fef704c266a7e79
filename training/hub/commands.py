"""The command that pushes a model to the Hub, as `python -m training` lists it."""

import argparse
from pathlib import Path


def add_publish(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("publish", help="a model folder -> the Hub; HF_TOKEN says who you are")
    parser.add_argument("folder", type=Path, metavar="MODEL_FOLDER", help="what export and evaluate wrote")
    parser.add_argument("repo", metavar="owner/name", help="made where there is none")
    parser.add_argument("--private", action="store_true", help="for nobody else to see")
    parser.add_argument("--tag", metavar="v1.2", help="name the commit so")
    parser.add_argument("--pr", action="store_true", help="open a pull request instead of changing the main branch")
    parser.add_argument(
        "--allow-worse", action="store_true", help="even where the published model has better figures on the same data"
    )

    def run(arguments: argparse.Namespace) -> int:
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
        return 0

    parser.set_defaults(run=run)
