"""python -m web build OUT | serve; options under --help."""

import sys
import tempfile
from pathlib import Path

from detector.errors import ModelError, SettingError
from detector.options import MODEL_NAME, Parser, model_of, port, port_taken
from web.build import BuildError, build
from web.serve import server


def main(argv: list[str] | None = None) -> int:
    parser = Parser(prog="python -m web", description="A page that judges in the visitor's browser.")
    commands = parser.add_subparsers(dest="command", required=True)
    to_build = commands.add_parser("build", help="write the page to a folder, for any web server")
    to_build.add_argument("out", type=Path, metavar="OUT", help="the folder to write")
    to_build.add_argument("--address", metavar="URL", help="that the page will have: links to it then show a picture")
    to_serve = commands.add_parser("serve", help="build the page and serve it on this computer")
    to_serve.add_argument("--port", type=port, default=8000, help="(default: %(default)s)")
    for command in (to_build, to_serve):
        command.add_argument("--model", metavar=MODEL_NAME, help="(default: $DETECTOR_MODEL, else the bundled one)")
    options = parser.parse_args(argv)
    try:
        if options.command == "build":
            print(build(options.out, *model_of(options.model), options.address))
            return 0
        with tempfile.TemporaryDirectory() as folder:
            return _serve(build(Path(folder), *model_of(options.model)), options.port)
    except (BuildError, ModelError, SettingError) as error:
        print(error, file=sys.stderr)
        return 2


def _serve(folder: Path, number: int) -> int:
    try:
        with server(folder, number) as running:
            print(f"http://127.0.0.1:{running.server_port}/", flush=True)
            running.serve_forever()
    except OSError:
        print(port_taken(number), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
