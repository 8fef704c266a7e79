"""A model folder, the face detector, LiteRT.js and web/page/ -> one folder that any web server can serve."""

import contextlib
import hashlib
import html
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from detector.covering import MODEL as COVERING
from detector.errors import Told
from detector.face_detector import MODEL as FINDER
from detector.files import write
from detector.model_folder import store
from detector.text import excerpt
from web.page import content

ROOT = Path(__file__).parent.parent
PAGE = Path(__file__).parent / "page"
LIBRARY = Path(__file__).parent / ".npm"  # a folder for each package-lock.json that was installed
_VARIANTS = ("internal", "compat_internal")  # a browser loads one of the two, by what it can do
_IMPORT, _IMPORTED = b'"@litertjs/wasm-utils"', b'"./wasm-utils.js"'  # workers know no import maps
_AT_NEED = ("litert/litert_wasm_", ".tflite", "c2pa_bg.wasm")  # kept when a visitor has loaded them, not before
# What reads a file's marks: Content Credentials by the standard's own library, EXIF and IPTC, XML.
_PLAIN = {f"c2pa/{name}": f"@contentauth/c2pa-wasm/pkg/{name}" for name in ("c2pa.js", "c2pa_bg.wasm")}
_COMMON_JS = {
    "metadata/exif-reader.js": "exifreader/dist/exif-reader.js",
    "metadata/parse-xml.js": "@rgrove/parse-xml/dist/browser.js",
}
_LICENCES = ("@contentauth/c2pa-wasm/LICENSE", "exifreader/LICENSE", "@rgrove/parse-xml/LICENSE")
_MANIFEST, _CACHE = "page.json", "detector-"
PREVIEW = "link-preview.jpg"
_PREVIEW_TAGS = b"<!-- link preview -->"


class BuildError(Told, RuntimeError):
    """The page could not be built; the message says what to do."""


def build(out: Path, model: str | None = None, revision: str | None = None, address: str | None = None) -> Path:
    """Write the page to the folder `out`, with the model folder or Hub model `model`, by default the bundled one.
    Files that the last build wrote there and this one does not are removed, and nothing else. With the `address` that
    the page will have, links to it have a picture.

    Raises BuildError where LiteRT.js cannot be had or `out` holds something else, ModelError for a model that cannot
    be loaded."""
    before = _written(out)
    if before is None and out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise BuildError(f"{out.name} is not a folder that this command wrote: name an empty or a new one.")
    files = built(model, revision, f"{address.rstrip('/')}/{PREVIEW}" if address else None)
    for path, data in files.items():
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        write(out / path, data)
    for path in set(before or ()) - set(files):
        (out / path).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # of the last file in its folder
            (out / path).parent.rmdir()
    return out


def _written(out: Path) -> list[str] | None:
    """Paths of the files that a build listed in `out`; None where none did."""
    try:
        listed = json.loads((out / _MANIFEST).read_bytes())
        paths = [*listed["files"]] if listed["cache"].startswith(_CACHE) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    root = out.resolve()  # what lies elsewhere, or leads there, is none of the page's
    return [path for path in paths if (root / path).resolve().is_relative_to(root)] if paths else None


def built(model: str | None = None, revision: str | None = None, preview: str | None = None) -> dict[str, bytes]:
    """The page's files by their path; `preview` is the address that the picture for links will have: messengers find it
    by a whole one only. Raises as `build` does."""
    folder = store.load(model, revision)
    if folder.info.note:
        raise BuildError(folder.info.note)
    files = {path.name: path.read_bytes() for path in sorted(PAGE.iterdir())}
    worker = files.pop("sw.js").decode()
    files["index.html"] = files["index.html"].replace(_PREVIEW_TAGS, _preview_tags(preview))
    files |= {name: (ROOT / "ui" / name).read_bytes() for name in ("style.css", PREVIEW)}
    files |= {network.config.file: network.model for network in folder.networks}
    files |= {path.name: path.read_bytes() for path in (FINDER, COVERING)}
    modules = _installed()
    files |= {f"litert/{name}": data for name, data in _litert(modules / "@litertjs").items()}
    files |= {path: (modules / source).read_bytes() for path, source in _PLAIN.items()}
    files |= {path: _module((modules / source).read_bytes()) for path, source in _COMMON_JS.items()}
    own = [ROOT / name for name in ("NOTICE", "LICENSE", "detector/face_detector/LICENSE")]
    files["notice.txt"] = b"\n\n".join(path.read_bytes() for path in [*own, *(modules / name for name in _LICENCES)])
    listed = {
        path: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for path, data in sorted(files.items())
    }
    told = content(folder)
    digest = hashlib.sha256(json.dumps([listed, told, worker]).encode()).hexdigest()
    cache = f"{_CACHE}{digest[:16]}"
    wasm = "litert/litert_wasm_internal"
    load = [
        *{network.config.file for network in folder.networks},
        FINDER.name,
        COVERING.name,
        f"{wasm}.wasm",
        f"{wasm}.js",
    ]
    told |= {"cache": cache, "files": listed, "load": sum(len(files[path]) for path in load)}
    files[_MANIFEST] = json.dumps(told, ensure_ascii=False).encode()
    shell = [path for path in files if not any(part in path for part in _AT_NEED)]
    files["sw.js"] = worker.replace("{build}", cache).replace("{files}", " ".join(["./", *shell])).encode()
    return files


def _preview_tags(picture: str | None) -> bytes:
    if picture is None:
        return b'<meta name="twitter:card" content="summary">'
    tag = f'<meta property="og:image" content="{html.escape(picture)}">\n'
    return f'{tag}<meta name="twitter:card" content="summary_large_image">'.encode()


def _module(script: bytes) -> bytes:
    """A CommonJS script as a module that a browser imports."""
    head = b"const exports = {}, module = { exports };\n"
    return head + re.sub(rb"\n//# sourceMappingURL=.*", b"", script) + b"\nexport default module.exports;\n"


def _litert(modules: Path) -> dict[str, bytes]:
    """LiteRT.js, its import made one that workers understand. Raises BuildError."""
    core, utilities = modules / "core", modules / "wasm-utils"
    main = (core / "dist" / "index.js").read_bytes()
    if main.count(_IMPORT) != 1:
        raise BuildError("LiteRT.js imports its utilities in an unexpected way: see web/build.py.")
    files = {
        "index.js": main.replace(_IMPORT, _IMPORTED),
        "wasm-utils.js": (utilities / "dist" / "index.js").read_bytes(),
    }
    for variant in _VARIANTS:
        for suffix in ("js", "wasm"):
            name = f"litert_wasm_{variant}.{suffix}"
            files[name] = (core / "wasm" / name).read_bytes()
    return files


def _installed() -> Path:
    """The folder of what package-lock.json pins, brought by npm, which checks the hashes. Raises BuildError."""
    lock = PAGE.parent / "package-lock.json"
    home = LIBRARY / hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    if home.is_dir():
        return home
    npm = shutil.which("npm")
    if npm is None:
        raise BuildError("The page needs LiteRT.js, which npm brings: install npm, on Debian by `apt-get install npm`.")
    LIBRARY.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=LIBRARY) as work:  # others may do the same at this moment
        for file in (lock, lock.with_name("package.json")):
            shutil.copyfile(file, Path(work) / file.name)
        command = [npm, "ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund", "--loglevel=error"]
        ran = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise BuildError(f"npm could not bring LiteRT.js; it says: {excerpt(ran.stderr, 300)}")
        with contextlib.suppress(OSError):  # there already
            (Path(work) / "node_modules").rename(home)
    return home
