"""python -m detector as a person or a script starts it: a process of its own, on a folder of real files."""

import contextlib
import csv
import io
import json
import os
import re
import shutil
import struct
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from detector import __version__, messages
from detector.__main__ import main
from detector.model_folder import store
from detector.rows import json_line
from detector.verdict import Verdict
from tests.support import ROOT, measured
from tests.support.bundled import FILES
from tests.support.marked_files import SETTINGS, png

GOOD = {"astronaut.png": 1, "page.webp": 0, "inner/HOPPER.JPG": 1}
BROKEN = {"broken.png": "This is not a picture", "inner/truncated.jpg": "The picture is cut off"}
WORDS = {str(verdict): text.replace("’", "'") for verdict, text in messages.VERDICTS.items()}


@pytest.fixture
def run(python):
    return lambda *arguments, **options: python("-m", "detector", *arguments, **options)


def jsonl(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


# --- Forms -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_jsonl_prints_the_object_of_the_contract(run, detector, hopper):
    ran = run(hopper, "--jsonl")
    assert ran.returncode == 0
    (row,) = jsonl(ran.stdout)
    expected = detector.detect(hopper).to_dict()
    assert list(row) == ["file", "error", *expected]
    assert (row.pop("file"), row.pop("error")) == (str(hopper), None)
    assert row.pop("seconds").keys() == expected.pop("seconds").keys()
    for part in (expected, *expected["faces"]):
        part["score"] = pytest.approx(part["score"], abs=1e-3)
    assert row == expected


@pytest.mark.slow
def test_isolated_says_the_same(run, folder):
    def rows(*options):
        return [{**row, "seconds": None} for row in jsonl(run(folder, "--jsonl", *options).stdout)]

    assert rows("--isolated") == rows()


def test_a_folder_is_walked_and_broken_files_do_not_stop_it(run, folder):
    ran = run(folder, "--jsonl")
    assert ran.returncode == 1
    rows = {os.path.relpath(row["file"], folder): row for row in jsonl(ran.stdout)}
    assert rows.keys() == {*GOOD, *BROKEN}
    for name, faces in GOOD.items():
        assert rows[name]["error"] is None and len(rows[name]["faces"]) == faces
    for name, sentence in BROKEN.items():
        assert rows[name].keys() == {"file", "error"} and rows[name]["error"].startswith(sentence)
    assert list(rows) == sorted(rows), "in the order of names"


@pytest.mark.slow
def test_csv_has_a_row_a_picture(run, folder):
    ran = run(folder, "--csv")
    assert ran.returncode == 1
    rows = {os.path.relpath(row["file"], folder): row for row in csv.DictReader(io.StringIO(ran.stdout))}
    assert rows.keys() == {*GOOD, *BROKEN}
    for name, faces in GOOD.items():
        row = rows[name]
        assert row["error"] == "" and row["faces"] == str(faces)
        assert re.fullmatch(r"[0-9a-f]{64}", row["sha256"]) and row["model_digest"] == store.load().info.digest
        assert row["verdict"] in WORDS
        assert 0 <= float(row["score"]) <= 1 if faces else (row["score"], row["verdict"]) == ("", "no_face")
    for name, sentence in BROKEN.items():
        assert rows[name]["error"].startswith(sentence)
        assert not any(value for key, value in rows[name].items() if key not in ("file", "error"))


def test_a_table_for_people(run, folder):
    ran = run(folder.name, cwd=folder.parent)
    assert ran.returncode == 1
    lines = ran.stdout.splitlines()
    assert lines[0].split() == ["picture", "verdict", "score", "%", "of", "real", "faces", "notes"]
    for name in GOOD:
        (line,) = (line for line in lines if name in line)
        assert any(word in line for word in WORDS.values())
    for name, sentence in BROKEN.items():
        (line,) = (line for line in lines if name in line)
        assert "not judged" in line and sentence in line
    assert "\x1b" not in ran.stdout, "colours are for terminals"


@pytest.mark.slow
def test_the_forms_agree(run, hopper, no_face, tmp_path):
    shutil.copyfile(hopper, tmp_path / "hopper.jpg")
    Image.fromarray(no_face).save(tmp_path / "page.png")
    rows = jsonl(run("hopper.jpg", "page.png", "--jsonl", cwd=tmp_path).stdout)
    table = run("hopper.jpg", "page.png", cwd=tmp_path).stdout.partition("\n\n")[0].splitlines()[1:]
    for row, line in zip(rows, table, strict=True):
        assert row["file"] in line and row["headline"].replace("’", "'") in line
    real = messages.per_100(rows[0]["false_positive_share"]["value"])
    assert re.search(rf" {rows[0]['score']:.2f} +{real} +1( |$)", table[0])
    assert re.search(r"No face found +0( |$)", table[1])


def test_below_the_table_stands_how_rare_such_a_score_is(run, hopper, no_face, tmp_path):
    model = measured.write(tmp_path / "model")
    for name in ("hopper.jpg", "again.jpg"):
        shutil.copyfile(hopper, tmp_path / name)
    Image.fromarray(no_face).save(tmp_path / "page.png")
    row = jsonl(run("hopper.jpg", "--model", model, "--jsonl", cwd=tmp_path).stdout)[0]
    told = " ".join(run("hopper.jpg", "--model", model, cwd=tmp_path).stdout.partition("\n\n")[2].split())
    assert told.startswith(messages.SENTENCES[Verdict.NO_SIGNS][0])
    assert f"A lower score is given to {messages.of_100(1 - row['false_positive_share']['value'])} real faces (" in told
    assert f"{messages.of_100(1 - row['unseen_share']['value'])} faces forged in ways it has never seen (" in told
    some = run("hopper.jpg", "again.jpg", "--model", model, cwd=tmp_path).stdout
    assert some.partition("\n\n")[2].strip() == messages.NOT_PROOF
    assert messages.SENTENCES[Verdict.NO_FACE][0] in run("page.png", "--model", model, cwd=tmp_path).stdout


def test_a_file_that_declares_ai_leads_with_that_in_every_form(run, tmp_path):
    """Though no face is found in it."""
    (tmp_path / "made.png").write_bytes(png(parameters=SETTINGS))
    said = "This file says that it was made with AI"
    [row] = jsonl(run("made.png", "--jsonl", cwd=tmp_path).stdout)
    assert (row["headline"], row["origin"]["kind"], row["verdict"]) == (said, "declared_ai", "no_face")
    [cells] = csv.DictReader(io.StringIO(run("made.png", "--csv", cwd=tmp_path).stdout))
    assert [cells[name] for name in ("headline", "origin", "origin_trust")] == [said, "declared_ai", "written"]
    table, _, below = run("made.png", cwd=tmp_path).stdout.partition("\n\n")
    assert (
        said in table
        and "nobody signed it" in below
        and "What the detector says about the faces: No face found." in " ".join(below.split())
    )


def test_one_form_at_a_time(run, hopper):
    ran = run(hopper, "--csv", "--jsonl")
    assert ran.returncode == 2 and "not allowed with" in ran.stderr


@pytest.mark.slow
def test_names_are_printed_whatever_they_are(run, no_face, tmp_path):
    """Umlauts, line breaks, markup of the table, and bytes that are no text."""
    names = [os.fsencode(name) for name in ("größe 人.png", "a\nb.png", "[red]x.png")] + [b"caf\xe9.png"]
    stream = io.BytesIO()
    Image.fromarray(no_face).save(stream, "PNG")
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(stream.getvalue())
    ran = run(".", "--jsonl", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert {os.fsencode(row["file"]) for row in jsonl(ran.stdout)} == set(names)
    for form in ([], ["--csv"]):
        ran = run(".", *form, cwd=tmp_path)
        assert ran.returncode == 0, ran.stderr
        assert "größe 人.png" in ran.stdout and "[red]x.png" in ran.stdout and "caf\\udce9.png" in ran.stdout


@pytest.mark.slow
def test_no_name_steers_the_terminal(no_face, tmp_path):
    """Printed on a real one, in every form, with a complaint about a word that the shell made of a name."""
    Image.fromarray(no_face).save(tmp_path / "\x1b]0;owned\x07 \x9b31m \u202egpj.png")
    (tmp_path / "broken\x1b[2J\n.png").write_bytes(b"no picture")
    printed = ""
    for form in ([], ["--csv"], ["--jsonl"], ["--model", "\x1b[2J"], ["--\x1b[2J"]):
        ours, theirs = os.openpty()
        ran = subprocess.Popen(
            [sys.executable, "-m", "detector", ".", *form],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "DETECTOR_TRUST_LIST": "none"},
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        with contextlib.suppress(OSError), open(ours, encoding="utf-8", newline="") as terminal:  # what ends it
            while part := terminal.readline():
                printed += part
        assert ran.wait(timeout=300) == (2 if "\x1b[2J" in "".join(form) else 1)
    for steering in ("\x1b]0;", "\x07", "\x9b", "\u202e", "\x1b[2J"):
        assert steering not in printed
    assert printed.count("owned") == 3 and printed.count("broken") >= 3


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-16"])
def test_redirected_output_is_utf8_whatever_the_system_has(run, no_face, tmp_path, monkeypatch, encoding):
    Image.fromarray(no_face).save(tmp_path / "größe😀.png")
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    ran = subprocess.run(
        [sys.executable, "-m", "detector", tmp_path, "--jsonl"], cwd=ROOT, capture_output=True, timeout=300, check=True
    )
    assert json.loads(ran.stdout)["file"] == str(tmp_path / "größe😀.png")
    assert "größe😀.png".encode() in ran.stdout


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_json_is_valid_on_a_terminal_of_any_encoding(encoding):
    line = json_line({"file": "größe😀\udce9\x7f.png", "error": "no"}, encoding)
    assert json.loads(line.encode(encoding))["file"] == "größe😀\udce9\x7f.png"
    assert ("😀" in line) == (encoding == "utf-8")


# --- Heat maps -------------------------------------------------------------------------------------------------------


def test_heat_maps_are_written_for_every_face(run, detector, folder, tmp_path_factory):
    maps = tmp_path_factory.mktemp("maps") / "new" / "folder"
    rows = jsonl(run(folder, "--jsonl", "--heatmaps", maps).stdout)
    digests = {os.path.basename(row["file"]): row["picture"]["sha256"][:8] for row in rows if row["error"] is None}
    assert {file.name for file in maps.iterdir()} == {
        f"astronaut-{digests['astronaut.png']}-face1.png",
        f"HOPPER-{digests['HOPPER.JPG']}-face1.png",
    }
    for file in maps.iterdir():
        assert Image.open(file).size == (detector.model.config.networks[0].input_size,) * 2


def test_pictures_of_the_same_name_keep_their_own_heat_maps(run, hopper, astronaut, tmp_path):
    for name, pixels in (("a", astronaut), ("b", astronaut[:, ::-1])):
        (tmp_path / name).mkdir()
        Image.fromarray(np.ascontiguousarray(pixels)).save(tmp_path / name / "photo.png")
    assert run(tmp_path / "a", tmp_path / "b", "--heatmaps", tmp_path / "maps").returncode == 0
    assert len(list((tmp_path / "maps").iterdir())) == 2


def test_a_heat_map_of_a_picture_with_a_long_name(run, hopper, tmp_path):
    shutil.copyfile(hopper, tmp_path / f"{'x' * 250}.jpg")
    ran = run(tmp_path / f"{'x' * 250}.jpg", "--jsonl", "--heatmaps", tmp_path / "maps")
    assert ran.returncode == 0, ran.stderr
    assert len(list((tmp_path / "maps").iterdir())) == 1


def test_a_folder_for_heat_maps_that_cannot_be_made(run, hopper, tmp_path):
    (tmp_path / "file").touch()
    ran = run(hopper, "--heatmaps", tmp_path / "file" / "maps")
    assert ran.returncode == 2 and not ran.stdout
    assert "The folder for heat maps could not be made: check its name and rights." in ran.stderr


# --- Files and models ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_file_is_judged_once(run, folder):
    file = folder / "page.webp"
    rows = jsonl(run(file, folder, file, folder / "inner", "--jsonl").stdout)
    assert len(rows) == 5 and rows[0]["file"] == str(file)


def test_a_file_that_is_named_is_judged_whatever_its_suffix(run, folder):
    shutil.copyfile(folder / "page.webp", folder / "page.data")
    rows = jsonl(run(folder / "page.data", folder / "notes.txt", "--jsonl").stdout)
    assert rows[0]["verdict"] == "no_face"
    assert rows[1]["error"].startswith("This is not a picture")


@pytest.mark.parametrize("name", ["gone.jpg", "x" * 300 + ".jpg"])
def test_a_missing_file_is_a_line_with_its_error(run, folder, name):
    ran = run(folder / name, folder / "page.webp", "--jsonl")
    assert ran.returncode == 1
    missing, page = jsonl(ran.stdout)
    assert missing["error"].startswith(("There is no file called gone.jpg", "xxx")) and page["error"] is None
    assert str(folder) not in missing["error"]


def test_a_folder_that_cannot_be_opened_counts_as_not_judged(folder):
    """Also for root, who is refused nothing unless it gives that up."""
    (folder / "inner").chmod(0)
    drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.getuid() == 0 else []
    for name, named in (("shut", folder / "inner"), ("within", folder)):
        ran = subprocess.run(
            [*drop, sys.executable, "-m", "detector", named, "--jsonl"],
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "DETECTOR_TRUST_LIST": "none"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert ran.returncode == 1, (name, ran.stderr)
        errors = {os.path.basename(row["file"]): row["error"] for row in jsonl(ran.stdout)}
        assert errors["inner"] == "inner could not be read: check that you may open it."
        assert len(errors) == (1 if name == "shut" else 4)
    (folder / "inner").chmod(0o700)


def test_what_is_no_file_is_refused(folder, capsys):
    """A pipe that nobody writes to would be waited for until the end of time."""
    os.mkfifo(folder / "pipe.jpg")
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    assert main([str(folder), "/dev/zero", str(folder / "pipe.jpg"), "--jsonl"]) == 1
    errors = {os.path.basename(row["file"]): row["error"] for row in jsonl(capsys.readouterr().out)}
    for name in ("zero", "pipe.jpg"):
        assert errors[name] == f"{name} is a pipe or a device: save the picture to a file and name that."
    assert errors["gone.png"] == "There is no file called gone.png."


def test_a_folder_without_pictures_is_refused(run, tmp_path):
    (tmp_path / "notes.txt").touch()
    ran = run(tmp_path)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "Skipped, not pictures: 1 .txt.\nNo pictures found.\n"


def test_a_model_of_ones_own(run, folder, tmp_path_factory):
    model = tmp_path_factory.mktemp("models") / "mine"
    model.mkdir()
    for name, content in FILES.items():
        (model / name).write_bytes(content)
    ran = run(folder / "astronaut.png", "--jsonl", "--model", model)
    assert ran.returncode == 0
    assert jsonl(ran.stdout)[0]["model"]["source"] == "folder"


def test_an_unknown_model_is_refused(run, hopper, tmp_path):
    ran = run(hopper, "--model", tmp_path / "gone")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.strip() == "There is no model folder called gone: give the folder that holds model.tflite."


def test_a_damaged_model_is_refused(run, hopper, tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content if name != store.MODEL else b"damaged")
    ran = run(hopper, "--model", tmp_path)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("model.tflite does not match its checksum in config.json")


@pytest.mark.slow
def test_any_number_of_workers_gives_the_same_lines(run, folder):
    outputs = []
    for workers in (1, 3):
        rows = jsonl(run(folder, "--jsonl", "--workers", workers).stdout)
        outputs.append([(row["file"], row["error"], row.get("verdict")) for row in rows])
    assert outputs[0] == outputs[1] and len(outputs[0]) == 5


def test_patterns_are_expanded_where_the_shell_does_not(run, no_face, tmp_path):
    (tmp_path / "[v1]").mkdir()
    for name in ("a1.png", "a2.png", "b.png", "[v1]/c.png"):
        Image.fromarray(no_face).save(tmp_path / name)
    rows = jsonl(run("a?.png", "[v1]", "[v1]/c.png", "z*.png", "--jsonl", cwd=tmp_path).stdout)
    assert [row["file"] for row in rows] == ["a1.png", "a2.png", "[v1]/c.png", "z*.png"]
    assert rows[-1]["error"] == "There is no file called z*.png."
    assert len(jsonl(run("**/*.png", "--jsonl", cwd=tmp_path).stdout)) == 4


def test_what_is_passed_over_is_counted(run, folder):
    (folder / "@eaDir").mkdir()
    shutil.copyfile(folder / "page.webp", folder / "@eaDir" / "page.webp")
    shutil.copyfile(folder / "page.webp", folder / "._page.webp")
    shutil.copyfile(folder / "page.webp", folder / "IMG_0001")
    ran = run(folder, "--jsonl")
    names = {os.path.relpath(row["file"], folder) for row in jsonl(ran.stdout)}
    assert names == {*GOOD, *BROKEN, "IMG_0001"}
    assert "Skipped, not pictures: 1 .txt, 2 that systems add (hidden files, thumbnails)." in ran.stderr


def test_a_damaged_file_is_one_line_and_no_warning_of_a_library(run, tmp_path):
    """Of this TIFF Pillow would say that a tag has too many entries."""
    tags = [(256, 4, 1, 64), (257, 4, 3, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 0)]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    (tmp_path / "a.tif").write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(20_000))
    ran = run("a.tif", "--jsonl", cwd=tmp_path)
    assert len(jsonl(ran.stdout)) == 1 and "Warning" not in ran.stderr


def test_the_limit_of_pixels_is_the_users(run, no_face, tmp_path):
    Image.fromarray(no_face).save(tmp_path / "page.png")
    refused = run("page.png", "--jsonl", "--max-pixels", 10_000, cwd=tmp_path)
    assert refused.returncode == 1 and "the limit is 0" in jsonl(refused.stdout)[0]["error"]
    assert run("page.png", "--jsonl", "--max-pixels", 100_000, cwd=tmp_path).returncode == 0


# --- Usage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], ["--nonsense", "x"], ["x", "--workers", "0"], ["x", "--workers", "few"]])
def test_wrong_usage_is_exit_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: python -m detector" in capsys.readouterr().err


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for option in ("PHOTO|FOLDER", "--model", "--jsonl", "--csv", "--heatmaps", "--workers", "--max-pixels"):
        assert option in text


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"python -m detector {__version__}\n"


def test_main_can_be_called(folder, capsys):
    assert main([str(folder / "page.webp"), "--jsonl"]) == 0
    (row,) = jsonl(capsys.readouterr().out)
    assert row["verdict"] == "no_face"


@pytest.mark.slow
def test_a_reader_that_has_enough_is_no_error(tmp_path, no_face):
    """As in `python -m detector … | head -1`."""
    for number in range(40):
        Image.fromarray(no_face[:64, : 64 + number]).save(tmp_path / f"{number:02}.png")
    process = subprocess.Popen(
        [sys.executable, "-m", "detector", str(tmp_path), "--jsonl"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert json.loads(process.stdout.readline())["error"] is None
    process.stdout.close()
    errors = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(timeout=300) == 0 and "Traceback" not in errors and "BrokenPipe" not in errors
