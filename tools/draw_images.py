"""Draws the page's icon and the picture of shared links from their SVG sources; ``python -m tools.draw_images``."""

from __future__ import annotations

from pathlib import Path

from tools.browser import chromium

FOLDER = Path(__file__).resolve().parent.parent / "demos" / "images"
SIZES = {"icon": (512, 512), "social": (1200, 630)}
"""In pixels; of the icon what installed pages ask for, of the picture what Open Graph recommends."""


def draw() -> None:
    """Write ``NAME.png`` beside each ``NAME.svg``."""
    with chromium() as browser:
        for name, (width, height) in SIZES.items():
            page = browser.new_page(viewport={"width": width, "height": height})
            page.goto((FOLDER / f"{name}.svg").as_uri())
            page.screenshot(path=FOLDER / f"{name}.png", omit_background=True)
            page.close()


if __name__ == "__main__":
    draw()
