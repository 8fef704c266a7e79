"""Pictures of the page for the README: `python -m docs.screenshots`, from the repository's root.

Starts the app, gives it scikit-image's astronaut (Eileen Collins, NASA, public domain) and writes docs/detect-*.png,
wide and narrow, light and dark. Needs requirements-tests.txt and Chromium.
"""

import argparse
from pathlib import Path

from skimage import data_dir

from tests.running_app import browser, serve

FOLDER = Path(__file__).parent
WIDTHS = {"wide": 1280, "narrow": 360}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write to (default: docs)")
    parser.add_argument("--picture", type=Path, default=Path(data_dir, "astronaut.png"), help="what the app is given")
    options = parser.parse_args()
    with serve() as app, browser() as chromium:
        for name, width in WIDTHS.items():
            for scheme in ("light", "dark"):
                page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
                page.goto(app.url)
                page.locator("#upload input[type=file]").first.set_input_files(options.picture)
                page.locator("#verdict [data-verdict]").wait_for()
                page.wait_for_timeout(1500)  # pictures fade in
                suffix = "" if scheme == "light" else "-dark"
                page.screenshot(path=options.out / f"detect-{name}{suffix}.png", full_page=True)
                page.close()


if __name__ == "__main__":
    main()
