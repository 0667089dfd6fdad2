"""Takes the README's pictures of the running page, on embedded models and given inputs; ``make screenshots``.

Pictures are WebP; the run with streaming is an animated GIF of what Chromium painted, at the pace at which it did.
"""

from __future__ import annotations

import base64
import io
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from llm_core.bench.page import running_page, wait_until_loaded
from tools.browser import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "images"
DESKTOP, PHONE, RUN_SIZE = (1180, 820), (360, 780), (1180, 500)
QUALITY = 82
RUN_MS = 180_000
GIF_WIDTH, GIF_COLOURS, GIF_SECONDS, GIF_STEP = 820, 64, 15.0, 0.12
LAST_FRAME_MS = 2500


@contextmanager
def opened(
    browser: Browser, address: str, slug: str, size: tuple[int, int], theme: str = "light", locale: str = "en-US"
) -> Iterator[Page]:
    """A tab of the page, with the pointer and the caret out of the picture."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height}, locale=locale, reduced_motion="reduce",
        device_scale_factor=2 if size == PHONE else 1,
    )  # fmt: skip
    page = context.new_page()
    page.goto(f"{address}?__theme={theme}")
    page.wait_for_selector(f"#tab-{slug}-button")
    page.add_style_tag(content="* { caret-color: transparent !important; }")
    page.locator(f"#tab-{slug}-button").click()
    page.wait_for_selector(f"#tab-{slug}", state="visible")
    yield page
    context.close()


def finish(page: Page, slug: str) -> None:
    """Wait for the answer, and until it stands still; back to the top."""
    page.wait_for_function(f"document.querySelector('#{slug}-status').innerText.includes('✓')", timeout=RUN_MS)
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    page.wait_for_timeout(900)
    page.evaluate("scrollTo(0, 0)")


def show(page: Page, selector: str) -> None:
    """Scroll to an element, with some air above."""
    page.locator(selector).evaluate("(element) => scrollTo(0, scrollY + element.getBoundingClientRect().top - 14)")


def example(page: Page, slug: str) -> None:
    page.locator(f"#{slug}-examples button").first.click()
    finish(page, slug)


def whole_text_and_sentences(page: Page) -> None:
    example(page, "sentiment")


def verdict(page: Page) -> None:
    example(page, "sentiment")
    show(page, "#sentiment .results")


def completions(page: Page) -> None:
    example(page, "complete")
    show(page, "#tab-complete")


def pairs(page: Page) -> None:
    example(page, "translate")
    show(page, "#tab-translate")


def names(page: Page) -> None:
    example(page, "entities")
    show(page, "#entities .results")


def heads(page: Page) -> None:
    example(page, "under_the_hood")
    page.get_by_role("tab", name="Attention").click()
    page.wait_for_timeout(1200)
    show(page, "#tab-under_the_hood [role=tablist]:has([data-tab-id=hood-attention])")


SHOTS: dict[str, tuple[str, tuple[int, int], str, str, Callable[[Page], None]]] = {
    "sentiment-light": ("sentiment", DESKTOP, "light", "en-US", whole_text_and_sentences),
    "code-dark": ("complete", DESKTOP, "dark", "en-US", completions),
    "translation-chinese": ("translate", DESKTOP, "light", "zh-CN", pairs),
    "attention-dark": ("under_the_hood", DESKTOP, "dark", "en-US", heads),
    "phone-sentiment": ("sentiment", PHONE, "light", "en-US", verdict),
    "phone-entities": ("entities", PHONE, "dark", "zh-CN", names),
}
"""By file name: tab, size, look, language, what is done before the picture is taken."""


def take_stills(browser: Browser, address: str) -> None:
    """Write `SHOTS`."""
    for name, (slug, size, theme, locale, prepare) in SHOTS.items():
        with opened(browser, address, slug, size, theme, locale) as page:
            prepare(page)
            page.wait_for_timeout(400)
            Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(
                FOLDER / f"{name}.webp", quality=QUALITY, method=6
            )


def take_run(browser: Browser, address: str) -> None:
    """The text generation tab, from Ctrl+Enter to the end of the answer or `GIF_SECONDS`, as fast as it was."""
    painted: list[tuple[float, bytes]] = []
    with opened(browser, address, "generate", RUN_SIZE) as page:
        field = page.locator("#generate").get_by_label("What should it write?")
        field.fill("A lighthouse keeper who is afraid of the dark")
        show(page, "#tab-generate .tabs")
        recorder = page.context.new_cdp_session(page)

        def keep(frame: dict[str, Any]) -> None:
            painted.append((frame["metadata"]["timestamp"], base64.b64decode(frame["data"])))
            recorder.send("Page.screencastFrameAck", {"sessionId": frame["sessionId"]})

        recorder.on("Page.screencastFrame", keep)
        recorder.send("Page.startScreencast", {"format": "png"})
        page.wait_for_timeout(600)
        field.press("Control+Enter")
        status, give_up_at = page.locator("#generate-status"), time.monotonic() + GIF_SECONDS
        while time.monotonic() < give_up_at and "✓" not in status.inner_text():
            page.wait_for_timeout(50)
        page.wait_for_timeout(500)
        recorder.send("Page.stopScreencast")
    write_gif(painted)


def write_gif(painted: list[tuple[float, bytes]]) -> None:
    """Frames by the second at which they were painted; those that follow too fast are left out."""
    kept = painted[:1]
    for frame in painted[1:-1]:
        if frame[0] - kept[-1][0] >= GIF_STEP:
            kept.append(frame)
    kept.append(painted[-1])
    images = [Image.open(io.BytesIO(data)).convert("RGB") for _, data in kept]
    size = (GIF_WIDTH, round(RUN_SIZE[1] * GIF_WIDTH / RUN_SIZE[0]))
    palette = images[-1].quantize(GIF_COLOURS)
    shown = [
        image.resize(size, Image.Resampling.LANCZOS).quantize(palette=palette, dither=Image.Dither.NONE)
        for image in images
    ]
    lasting = [round(1000 * (after[0] - before[0])) for before, after in itertools.pairwise(kept)]
    shown[0].save(
        FOLDER / "run.gif", save_all=True, append_images=shown[1:], duration=[*lasting, LAST_FRAME_MS], loop=0,
        optimize=True,
    )  # fmt: skip


def main() -> None:
    """Take all, and say how large they are."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with running_page() as (address, *_), chromium() as browser:
        wait_until_loaded(address)
        take_stills(browser, address)
        take_run(browser, address)
    for file in sorted(FOLDER.iterdir()):
        print(f"{file.name}: {file.stat().st_size / 1000:.0f} KB")


if __name__ == "__main__":
    main()
