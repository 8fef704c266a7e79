"""The rows of a list, as CSV: text stays text in every spreadsheet."""

import csv
import io

import pytest

from detector.errors import ImageError
from detector.rows import csv_cells, csv_writer, row_of

SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20"  # what a formula begins with; the wide ones on East Asian keyboards
BEFORE = (
    "",
    " ",
    "\t",
    "\r",
    "\n",
    "\x00",
    ",",
    ";",
    "|",
    '"',
    "a;",
    "a,",
    "a\t",
    "a|",
    'a"',
    'a";',
    "a; ",
    'a,"',
    "a;\u3000",
)


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("before", BEFORE, ids=repr)
def test_no_cell_is_a_formula_whatever_cells_are_split_at(before: str, sign: str) -> None:
    """Which sign a spreadsheet splits at depends on the country, and some forget that a quoted cell is one."""
    name = f"{before}{sign}1+1.jpg"
    file = io.StringIO()
    csv_writer(file).writerow(csv_cells(row_of(name, ImageError(f"There is no file called {name}."))))
    for separator in ",;\t|":
        for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE):
            for row in csv.reader(io.StringIO(file.getvalue()), delimiter=separator, quoting=quoting):
                assert not [cell for cell in row if cell.strip(' "').startswith(tuple(SIGNS))]


def test_text_is_quoted_and_numbers_are_not(detector, hopper) -> None:
    row = row_of("holiday, 2026.jpg", detector.detect(hopper))
    file = io.StringIO()
    csv_writer(file).writerow(csv_cells(row))
    head, line = file.getvalue().splitlines()
    assert head.startswith('"file","headline","verdict","score","false_positive_share"')
    shares = [row[name]["value"] for name in ("false_positive_share", "unseen_share", "seen_share")]
    numbers = ",".join(map(str, [row["score"], *shares]))
    told = f'"holiday, 2026.jpg","{row["headline"]}","{row["verdict"]}",{numbers},"none","",1,"'
    assert line.startswith(told)
    [read] = csv.DictReader(io.StringIO(file.getvalue()))
    assert read["file"] == "holiday, 2026.jpg" and float(read["score"]) == row["score"]


def test_a_name_without_guile_stays_as_it_is() -> None:
    for name in ("größe-1 (2) +3 @home = x.jpg", "a - b.jpg", "trip/1+1=2.jpg"):
        assert csv_cells(row_of(name, ImageError("x")))["file"] == name
