"""What the view costs in a browser, as Markdown tables.

``python -m tests.benchmarks.view`` runs everything (about ten minutes on two
cores, most of them for JupyterLab); ``--only hover drag first size idle many
reruns lab`` some of it. Bounds are aims, which nothing asserts: other work on
the machine shows in every number.
"""

import argparse
import asyncio
import gzip
import json
import math
import platform
import re
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from playwright.async_api import Page as AsyncPage
from playwright.async_api import async_playwright
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from tests.browser.conftest import FLAGS, chromium
from tests.browser.harness import (
    ADDRESS,
    HERE,
    HOST,
    View,
    harness,
    kept,
    open_harness,
    state_of,
    synthetic_pairs,
)
from tests.browser.hosts import Lab
from tests.browser.notebook import open_page, write_notebook

from .__main__ import table

PROBE = Path(__file__).with_name("view_probe.js").read_text(encoding="utf-8")
LARGE = (77, 32, 32)  # tokens, rows and columns of patches
SMALL = (16, 8, 8)
RATE = 120  # movements of the pointer in a second
SECONDS = 2

Rows = list[tuple[str, ...]]


def state(size: tuple[int, int, int], *, baked: bool = True) -> dict[str, Any]:
    return state_of(synthetic_pairs(*size), baked=baked)


def spread(values: Sequence[float], unit: str = "ms") -> str:
    """Return median and 95th percentile."""
    return f"{statistics.median(values):.1f} / {np.percentile(values, 95):.1f} {unit}"


def loaded(view: View) -> None:
    for root in view.roots:
        root.locator(".fpattr-stage[data-loaded]").wait_for()


def open_view(browser: Browser, kept_state: dict[str, Any]) -> AbstractContextManager[View]:
    return harness(browser, kept_state, size=(1280, 1000), script=PROBE)


# Hovering


def chip_centres(page: Page) -> list[dict[str, Any]]:
    return page.locator(".fpattr").last.evaluate(
        """root => [...root.querySelectorAll('.fpattr-token')].map(chip => {
            const box = chip.getClientRects()[0];
            return {tokens: chip.dataset.tokens,
                x: box.left + box.width / 2, y: box.top + box.height / 2};
        })"""
    )


def patch_centres(page: Page, count: int, rows: int, columns: int) -> list[dict[str, Any]]:
    box = page.locator(".fpattr-stage").last.bounding_box()
    patches = np.random.default_rng(0).permutation(rows * columns)[:count]
    return [
        {
            "tokens": str(patch),
            "x": box["x"] + (patch % columns + 0.5) * box["width"] / columns,
            "y": box["y"] + (patch // columns + 0.5) * box["height"] / rows,
        }
        for patch in map(int, patches)
    ]


def hover(page: Page, spots: Sequence[dict[str, Any]], side: str) -> dict[str, list[float]]:
    """Move from spot to spot; return the milliseconds of each part, the first five left out."""
    page.locator(".fpattr").last.evaluate("root => probe.watch(root)")
    found: list[dict[str, float]] = []
    for spot in spots:
        expected = f"{side}:{spot['tokens']}"
        page.evaluate("values => probe.expect(...values)", [expected, side == "tokens"])
        page.mouse.move(spot["x"], spot["y"])
        found.append(page.evaluate("() => probe.result"))
    return {key: [one[key] for one in found[5:]] for key in ("work", "paint", "painted")}


def hovering(browser: Browser) -> None:
    rows: Rows = []
    with open_view(browser, state(LARGE)) as view:
        loaded(view)
        chips = chip_centres(view.page)
        for what, side, spots in (
            ("word → heat", "tokens", chips),
            ("patch → chips", "patches", patch_centres(view.page, 65, *LARGE[1:])),
        ):
            view.page.mouse.move(2, 2)
            found = hover(view.page, spots, side)
            rows += [
                (f"{what}: scripts", spread(found["work"]), "≤ 8 ms"),
                (f"{what}: style, layout and paint", spread(found["paint"]), ""),
                (f"{what}: event to painted frame", spread(found["painted"]), "≤ 50 ms"),
            ]
        moves = len(found["work"])
    table(f"Hovering, 77 tokens × 1,024 patches; {moves} or more moves", HEAD, rows)


# Dragging


async def drag(page: AsyncPage, target: str) -> dict[str, Any]:
    """Drag for some seconds at 120 moves a second, waiting for none of them."""
    session = await page.context.new_cdp_session(page)
    spots = await page.evaluate(
        """target => [...document.querySelectorAll(target)].map(e => {
            const {left, top, width, height} = e.getClientRects()[0];
            return [left, top, width, height];
        })""",
        ".fpattr-stage" if target == "picture" else ".fpattr-token[data-kind=word]",
    )

    def place(share: float) -> tuple[float, float]:
        if target == "picture":  # from one patch through all others to that at (29, 27)
            left, top, width, height = spots[0]
            x = 0.5 + 0.45 * math.sin(7 * math.tau * share) if share < 1 else 27.5 / 32
            y = 0.5 + 0.45 * math.sin(5 * math.tau * share) if share < 1 else 29.5 / 32
            return left + x * width, top + y * height
        index = len(spots) - 2 if share == 1 else round((len(spots) - 1) * abs(math.sin(9 * share)))
        left, top, width, height = spots[index]
        return left + width / 2, top + height / 2

    async def send(kind: str, share: float, buttons: int) -> None:
        x, y = place(share)
        event = {"type": kind, "x": x, "y": y, "button": "left", "buttons": buttons}
        await session.send("Input.dispatchMouseEvent", {**event, "clickCount": 1})

    first = (0.5 - 1 / 64, 0.5 - 1 / 64) if target == "picture" else None
    if first:
        left, top, width, height = spots[0]
        await page.mouse.move(left + first[0] * width, top + first[1] * height)
        await page.mouse.down()
    else:
        await page.mouse.move(*place(0))
        await page.mouse.down()
    await page.evaluate("() => { window.stop = probe.follow(document.querySelector('.fpattr')); }")
    count = RATE * SECONDS
    begun = time.perf_counter()
    tasks = []
    for move in range(1, count + 1):
        await asyncio.sleep(max(0, begun + move / RATE - time.perf_counter()))
        tasks.append(asyncio.create_task(send("mouseMoved", move / count, 1)))
    sent = time.perf_counter() - begun
    await asyncio.gather(*tasks)
    found = await page.evaluate("() => stop()")
    await send("mouseReleased", 1, 0)
    await page.wait_for_timeout(300)
    shown = await page.evaluate("() => document.querySelector('.fpattr').dataset.shown")
    await page.keyboard.press("Escape")
    return {**found, "count": count, "sent": sent, "shown": shown}


async def with_page(kept_state: dict[str, Any], use: Callable[[AsyncPage], Awaitable[Any]]) -> Any:
    """Use a page with one view; unlike the harness, without waiting for each event."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        page = await browser.new_page(viewport={"width": 1280, "height": 1000})
        await page.add_init_script(PROBE)
        body = (HERE / "harness.html").read_text(encoding="utf-8")
        await page.route(ADDRESS, lambda route: route.fulfill(body=body, content_type="text/html"))
        await page.goto(ADDRESS)
        await page.evaluate(HOST)
        await page.evaluate(
            """async values => {
                await harness.show(await harness.open(harness.keep(...values)));
            }""",
            list(kept(kept_state)),
        )
        await page.locator(".fpattr-stage[data-loaded]").wait_for()
        try:
            return await use(page)
        finally:
            await browser.close()


def dragging(_: Browser) -> None:
    pairs = synthetic_pairs(*LARGE)
    kept_state = state_of(pairs)
    rectangle = [32 * y + x for y in range(15, 30) for x in range(15, 28)]
    spoken = [i for i, token in enumerate(pairs.tokens) if not token.special]
    words = sorted({pairs.tokens[i].word for i in spoken})
    expected = {
        "picture": "patches:" + ",".join(map(str, rectangle)),
        "words": "tokens:" + ",".join(str(i) for i in spoken if pairs.tokens[i].word <= words[-2]),
    }
    rows: Rows = []
    for target, shown in expected.items():

        async def use(page: AsyncPage, target: str = target) -> dict[str, Any]:
            return await drag(page, target)

        found = in_a_loop(with_page(kept_state, use))
        times = np.diff(found["times"])
        rows += [
            (f"{target}: frames per second", f"{1000 / times.mean():.0f}", "≥ 55"),
            (f"{target}: between frames", spread(times), "≤ 34 ms at p95"),
            (f"{target}: scripts per second", f"{found['work'] / found['sent']:.0f} ms", ""),
            (
                f"{target}: moves seen of those sent, in {found['sent']:.2f} s",
                f"{found['moves']} of {found['count']}, as {found['events']} events",
                "all",
            ),
            (f"{target}: different looks painted", f"{found['looks']}", ""),
            (f"{target}: final choice", "right" if found["shown"] == shown else "WRONG", "right"),
            (f"{target}: tasks longer than 50 ms", f"{found['long']}", "0"),
        ]
    table(f"Dragging, 77 tokens × 1,024 patches, {RATE} moves a second", HEAD, rows)


def in_a_loop(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run beside the loop of the synchronous Playwright, which is in this thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


# First paint and size


def first_paint(browser: Browser) -> None:
    rows: Rows = []
    for size, baked in ((LARGE, True), (LARGE, False), (SMALL, True)):
        kept_state = state(size, baked=baked)
        found = []
        for _ in range(11):
            with open_harness(browser, script=PROBE) as page:
                name = page.keep(kept_state)
                found.append(page.page.evaluate(FIRST, name))
        what = f"{size[0]} × {size[1] * size[2]:,}, {'all' if baked else 'no'} rows"
        rows += [
            (f"{what}: {label}", spread([one[key] for one in found[1:]]), bound)
            for key, label, bound in (
                ("parsed", "module fetched, parsed and evaluated", "≤ 30 ms"),
                ("caption", "evaluated to caption painted", "≤ 100 ms"),
                ("picture", "evaluated to picture painted", "≤ 150 ms"),
            )
        ]
    table("First paint, ten fresh pages each", HEAD, rows)


FIRST = """async name => {
    const painted = () => new Promise(done => probe.whenPainted(done));
    const id = await harness.open(name);
    const {asked, evaluated} = harness.hosts.get(id);
    await harness.show(id);
    const caption = await painted();
    const stage = document.querySelector('.fpattr-stage');
    while (!('loaded' in stage.dataset)) await painted();
    const picture = await painted();
    return {parsed: evaluated - asked, caption: caption - evaluated, picture: picture - evaluated};
}"""


def size(_: Browser) -> None:
    kept_state = state(SMALL, baked=False)
    rows: Rows = []
    for name, trait in (("module", "_esm"), ("style sheet", "_css")):
        data = kept_state[trait].encode()
        packed = len(gzip.compress(data, 9))
        bound = "≤ 100 kB raw" if trait == "_esm" else ""
        rows.append((name, f"{len(data) / 1000:.1f} kB, gzip {packed / 1000:.1f} kB", bound))
    table("What every model carries", HEAD, rows)


# Idle


def idle(browser: Browser) -> None:
    full = state(LARGE)
    values = np.frombuffer(full["rows"], "<f4").reshape(LARGE[0], -1)
    rows: Rows = []
    with open_view(browser, state(LARGE, baked=False)) as view:
        loaded(view)
        view.greet()
        for start in range(0, LARGE[0], 16):
            view.receive_rows(values, range(start, min(start + 16, LARGE[0])))
        ledger = {"ledger": full["ledger"], "similarity": full["similarity"]}
        view.receive({"type": "ledger", "epoch": 1, **ledger, "about": full["about"]})
        view.receive({"type": "done", "epoch": 1})
        view.root.evaluate("root => probe.watch(root)")
        for situation, act in (
            ("nothing chosen", lambda: None),
            ("word under a resting pointer", view.root.locator(".fpattr-token").nth(5).hover),
            ("pinned", lambda: view.update(selected_tokens=[5], selected_patches=[40])),
        ):
            act()
            view.page.wait_for_timeout(6_000)
            view.page.evaluate("() => probe.asked()")
            view.page.wait_for_timeout(5_000)
            found = view.page.evaluate("() => probe.asked()")
            rows.append((situation, ", ".join(f"{v} {k}" for k, v in found.items()), "all 0"))
    table("Asked for in 5 s in which nothing changes, all rows there", HEAD, rows)


# Many widgets, and the same one many times


def counts(session: CDPSession) -> dict[str, float]:
    """Return JS heap in MB, nodes and listeners of the page after a collection."""
    session.send("Performance.enable")
    for _ in range(3):
        session.send("HeapProfiler.collectGarbage")
        time.sleep(0.1)
    found = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return {
        "heap": found["JSHeapUsedSize"] / 1e6,
        "nodes": found["Nodes"],
        "listeners": found["JSEventListeners"],
    }


def said(found: dict[str, float]) -> str:
    return (
        f"{found['heap']:.2f} MB, {found['nodes']:,.0f} nodes, {found['listeners']:,.0f} listeners"
    )


def many(browser: Browser) -> None:
    rows: Rows = []
    for title, sizes in (
        ("50 of 16 × 64", [SMALL] * 50),
        ("40 of 16 × 64, 10 of 77 × 1,024", [SMALL] * 40 + [LARGE] * 10),
    ):
        with open_harness(browser, script=PROBE) as page:
            session = page.page.context.new_cdp_session(page.page)
            names = {one: page.keep(state(one)) for one in set(sizes)}
            before = counts(session)
            seconds = page.page.evaluate(SHOW_ALL, [names[one] for one in sizes])
            after = counts(session)
            page.page.locator(".fpattr").last.scroll_into_view_if_needed()
            page.page.wait_for_timeout(500)
            found = hover(page.page, chip_centres(page.page)[:40], "tokens")
            rows += [
                (f"{title}: shown, pictures and all", f"{seconds:.2f} s", "≤ 3 s"),
                (f"{title}: hover, scripts", spread(found["work"]), "≤ 8 ms"),
                (f"{title}: hover, event to painted frame", spread(found["painted"]), "≤ 50 ms"),
                (f"{title}: the page before", said(before), ""),
                (f"{title}: the page with them", said(after), ""),
                (
                    f"{title}: each",
                    said({key: (after[key] - before[key]) / len(sizes) for key in after}),
                    "",
                ),
            ]
    table("Many widgets in one page; hovering a word of the last one", HEAD, rows)


SHOW_ALL = """async names => {
    const begun = performance.now();
    for (const name of names) await harness.show(await harness.open(name));
    const stages = () => [...document.querySelectorAll('.fpattr-stage')];
    const painted = () => new Promise(done => probe.whenPainted(done));
    while (stages().some(stage => !('loaded' in stage.dataset))) await painted();
    return (await painted() - begun) / 1000;
}"""

RERUN = """async ([name, times, anew, rows]) => {
    for (let i = 0; i < times; i++) {
        const id = await harness.open(name, {anew});
        await harness.show(id);
        const tokens = [...harness.hosts.get(id).model.get('tokens').keys()];
        harness.receive(id, {type: 'rows', epoch: 1, tokens}, [rows]);
        harness.receive(id, {type: 'done', epoch: 1}, []);
        await new Promise(done => setTimeout(done, 30));
        await harness.hosts.get(id).close();
    }
}"""


def reruns(browser: Browser) -> None:
    rows: Rows = []
    rows_data = json.loads(kept(state(SMALL))[2])["rows"]["base64"]
    for title, anew in (("one import for all", False), ("an import for each, as hosts do", True)):
        with open_harness(browser) as page:
            session = page.page.context.new_cdp_session(page.page)
            name = page.keep(state(SMALL, baked=False))
            found: dict[int, dict[str, float]] = {}
            done = 0
            for stop in (20, 100, 200):
                page.page.evaluate(RERUN, [name, stop - done, anew, rows_data])
                done, found[stop] = stop, counts(session)
                rows.append((f"{title}: after {stop}", said(found[stop]), ""))
            rows.append((f"{title}: each of the last 100", *growth(found[100], found[200], 100)))
    table("Made, filled and taken down again: 16 tokens × 64 patches", HEAD, rows)


def growth(before: dict[str, float], after: dict[str, float], times: int) -> tuple[str, str]:
    heap, nodes, listeners = ((after[key] - before[key]) / times for key in before)
    return f"{1000 * heap:+.1f} kB, {nodes:+.2f} nodes, {listeners:+.2f} listeners", "0"


# Asked by name: a handle to an element would keep it, and all around it, alive.
SHOWN = """() => document.querySelector('.fpattr-none') || (
    document.querySelector('.fpattr-stage[data-loaded]')
    && !document.querySelector('.fpattr [data-missing], .fpattr [role=progressbar]'))"""
CELLS = {
    "this widget": """
import fpattr_widget as fp
from fpattr_widget.scenes import example
if "widget" in globals():
    widget.close()
scene = example("dog-and-ball")
widget = fp.explain(scene.image, scene.caption)
widget
""",
    "an empty anywidget, for comparison": """
import anywidget
if "widget" in globals():
    widget.close()
class Empty(anywidget.AnyWidget):
    _esm = "export default { render({ el }) { el.className = 'fpattr-none'; } }"
widget = Empty()
widget
""",
}


def in_jupyterlab(browser: Browser) -> None:
    rows: Rows = []
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder))
        try:
            for title, cell in CELLS.items():
                path = lab.root / f"{re.sub('[^a-z]', '', title)}.ipynb"
                write_notebook(path, cell)
                context = browser.new_context(viewport={"width": 1280, "height": 1000})
                page = context.new_page()
                notebook = open_page(page, lab, path)
                session = context.new_cdp_session(page)
                found: dict[int, dict[str, float]] = {}
                for run in range(1, 201):
                    notebook.run_all()
                    page.wait_for_timeout(50)
                    notebook.wait_idle()
                    page.wait_for_function(SHOWN, timeout=60_000)
                    if run in (20, 100, 200):
                        page.wait_for_timeout(2_000)
                        found[run] = counts(session)
                        rows.append((f"{title}: after {run}", said(found[run]), ""))
                change, _ = growth(found[100], found[200], 100)
                rows.append((f"{title}: each of the last 100", change, ""))
                notebook.shut_down()
                context.close()
        finally:
            lab.stop()
    table("A cell run again in JupyterLab, which closes the widget that it replaces", HEAD, rows)


HEAD = ("", "median / p95, or value", "bound")
TABLES: dict[str, Callable[[Browser], None]] = {
    "hover": hovering,
    "drag": dragging,
    "first": first_paint,
    "size": size,
    "idle": idle,
    "many": many,
    "reruns": reruns,
    "lab": in_jupyterlab,
}


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {len(names) or '?'} cores"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=TABLES, default=list(TABLES))
    options = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        print(f"{machine()}, no GPU used, Chromium {browser.version} without a window")
        for name in options.only:
            TABLES[name](browser)
        browser.close()


if __name__ == "__main__":
    main()
