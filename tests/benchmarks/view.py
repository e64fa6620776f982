"""What the view costs in a browser.

``python -m tests.benchmarks.view`` runs everything (about ten minutes on two
cores, most of them for JupyterLab); ``--only hover drag first size idle many
reruns lab`` some of it. Prints Markdown and keeps the raw numbers, of which the
README's table is made; a part that runs alone takes its place beside the others.
Bounds are aims, which nothing asserts: other work on the machine shows in every
number.

All but ``lab`` is a bare page with no kernel behind it: rows are there from the
start, or handed over at once. Scripts are what runs in listeners, frames and
timers; observers and promises are not counted. The first five moves are left
out. A frame counts as painted when the page hears a message that it sends itself
after it; in a window-less browser nothing says when light leaves a screen.
"""

import argparse
import asyncio
import gzip
import json
import math
import re
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from playwright.async_api import Page as AsyncPage
from playwright.async_api import async_playwright
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from tests.benchmarks.__main__ import table
from tests.benchmarks.records import FOLDER, keep, read
from tests.helpers.chromium import FLAGS, chromium
from tests.helpers.harness import (
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
from tests.helpers.hosts import Lab
from tests.helpers.notebook_page import open_page, write_notebook

PROBE = Path(__file__).with_name("view_probe.js").read_text(encoding="utf-8")
LARGE = (77, 32, 32)  # tokens, rows and columns of patches
SMALL = (16, 8, 8)
RATE = 120  # movements of the pointer in a second

Rows = list[tuple[str, ...]]


@dataclass(frozen=True)
class Amounts:
    """How much is measured."""

    moves: int = 65
    seconds: float = 2  # of dragging
    pages: int = 10
    rests: tuple[float, float] = (6, 5)  # seconds before nothing changes, and while
    widgets: tuple[int, int] = (50, 10)  # small ones, and large ones of as many
    runs: tuple[int, int, int] = (20, 100, 200)


TINY = Amounts(7, 0.3, 1, (0.3, 0.2), (3, 1), (1, 2, 3))


def named(size: tuple[int, int, int]) -> str:
    """Return a size as a reader is told it."""
    return f"{size[0]} tokens × {size[1] * size[2]:,} patches"


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


def hovering(browser: Browser, amounts: Amounts) -> dict[str, Any]:
    rows: Rows = []
    kept_numbers: dict[str, Any] = {"size": named(LARGE)}
    with open_view(browser, state(LARGE)) as view:
        loaded(view)
        chips = chip_centres(view.page)
        for what, side, spots in (
            ("word → heat", "tokens", chips[: amounts.moves]),
            ("patch → chips", "patches", patch_centres(view.page, amounts.moves, *LARGE[1:])),
        ):
            view.page.mouse.move(2, 2)
            found = kept_numbers[side] = hover(view.page, spots, side)
            rows += [
                (f"{what}: scripts", spread(found["work"]), "≤ 8 ms"),
                (f"{what}: style, layout and paint", spread(found["paint"]), ""),
                (f"{what}: event to painted frame", spread(found["painted"]), "≤ 50 ms"),
            ]
        moves = len(found["work"])
    table(f"Hovering, {named(LARGE)}; {moves} or more moves", HEAD, rows)
    return kept_numbers


# Dragging


async def drag(page: AsyncPage, target: str, seconds: float) -> dict[str, Any]:
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
    count = round(RATE * seconds)
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


def dragging(_: Browser, amounts: Amounts) -> dict[str, Any]:
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
    kept_numbers: dict[str, Any] = {"size": named(LARGE)}
    for target, shown in expected.items():

        async def use(page: AsyncPage, target: str = target) -> dict[str, Any]:
            return await drag(page, target, amounts.seconds)

        found = in_a_loop(with_page(kept_state, use))
        times = np.diff(found["times"])
        right = found.pop("shown") == shown
        kept_numbers[target] = {**found, "right": right}
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
            (f"{target}: final choice", "right" if right else "WRONG", "right"),
            (f"{target}: tasks longer than 50 ms", f"{found['long']}", "0"),
        ]
    table(f"Dragging, {named(LARGE)}, {RATE} moves a second", HEAD, rows)
    return kept_numbers


def in_a_loop(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run beside the loop of the synchronous Playwright, which is in this thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


# First paint and size


def first_paint(browser: Browser, amounts: Amounts) -> dict[str, Any]:
    rows: Rows = []
    kept_numbers: dict[str, Any] = {}
    for size, baked in ((LARGE, True), (LARGE, False), (SMALL, True)):
        kept_state = state(size, baked=baked)
        found = []
        for _ in range(amounts.pages + 1):
            with open_harness(browser, script=PROBE) as page:
                name = page.keep(kept_state)
                found.append(page.page.evaluate(FIRST, name))
        what = f"{named(size)}, {'all' if baked else 'no'} rows"
        kept_numbers[what] = {key: [one[key] for one in found[1:]] for key in found[0]}
        rows += [
            (f"{what}: {label}", spread([one[key] for one in found[1:]]), bound)
            for key, label, bound in (
                ("parsed", "module fetched, parsed and evaluated", "≤ 30 ms"),
                ("caption", "evaluated to caption painted", "≤ 100 ms"),
                ("picture", "evaluated to picture painted", "≤ 150 ms"),
            )
        ]
    table(f"First paint, {amounts.pages} fresh pages each", HEAD, rows)
    return kept_numbers


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


def size(_: Browser, amounts: Amounts) -> dict[str, Any]:
    kept_state = state(SMALL, baked=False)
    rows: Rows = []
    kept_numbers: dict[str, Any] = {}
    for name, trait in (("module", "_esm"), ("style sheet", "_css")):
        data = kept_state[trait].encode()
        packed = len(gzip.compress(data, 9))
        kept_numbers[name] = {"bytes": len(data), "gzip": packed}
        bound = "≤ 100 kB raw" if trait == "_esm" else ""
        rows.append((name, f"{len(data) / 1000:.1f} kB, gzip {packed / 1000:.1f} kB", bound))
    table("What every model carries", HEAD, rows)
    return kept_numbers


# Idle


def idle(browser: Browser, amounts: Amounts) -> dict[str, Any]:
    full = state(LARGE)
    values = np.frombuffer(full["rows"], "<f4").reshape(LARGE[0], -1)
    rows: Rows = []
    kept_numbers: dict[str, Any] = {"size": named(LARGE)}
    before, during = (1000 * seconds for seconds in amounts.rests)
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
            ("pinned", lambda: view.pin([5], [40])),
        ):
            act()
            view.page.wait_for_timeout(before)
            view.page.evaluate("() => probe.asked()")
            view.page.wait_for_timeout(during)
            found = kept_numbers[situation] = view.page.evaluate("() => probe.asked()")
            rows.append((situation, ", ".join(f"{v} {k}" for k, v in found.items()), "all 0"))
    title = f"Asked for in {amounts.rests[1]} s in which nothing changes, {named(LARGE)}, all there"
    table(title, HEAD, rows)
    return kept_numbers


# Many widgets, and the same one many times


def counts(session: CDPSession) -> dict[str, float]:
    """Return what the page holds after a collection.

    The heap and the buffers of arrays, which are no part of it, in MB; nodes and
    listeners. Pixels of canvases and pictures are held by other processes.
    """
    session.send("Performance.enable")
    for _ in range(3):
        session.send("HeapProfiler.collectGarbage")
        time.sleep(0.1)
    found = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return {
        "heap": found["JSHeapUsedSize"] / 1e6,
        "buffers": session.send("Runtime.getHeapUsage")["backingStorageSize"] / 1e6,
        "nodes": found["Nodes"],
        "listeners": found["JSEventListeners"],
    }


def said(found: dict[str, float]) -> str:
    return (
        f"{found['heap']:.2f} MB heap, {found['buffers']:.2f} MB array buffers, "
        f"{found['nodes']:,.0f} nodes, {found['listeners']:,.0f} listeners"
    )


def many(browser: Browser, amounts: Amounts) -> dict[str, Any]:
    rows: Rows = []
    kept_numbers: dict[str, Any] = {}
    all_small, large = amounts.widgets
    for sizes in (
        [SMALL] * all_small,
        [LARGE] * large,
        [SMALL] * (all_small - large) + [LARGE] * large,
    ):
        title = " and ".join(
            f"{sizes.count(one)} of {named(one)}" for one in (SMALL, LARGE) if one in sizes
        )
        with open_harness(browser, script=PROBE) as page:
            session = page.page.context.new_cdp_session(page.page)
            names = {one: page.keep(state(one)) for one in set(sizes)}
            before = counts(session)
            seconds = page.page.evaluate(SHOW_ALL, [names[one] for one in sizes])
            after = counts(session)
            page.page.locator(".fpattr").last.scroll_into_view_if_needed()
            page.page.wait_for_timeout(500)
            found = hover(page.page, chip_centres(page.page)[: amounts.moves][:40], "tokens")
        each = {key: (after[key] - before[key]) / len(sizes) for key in after}
        kept_numbers[title] = {"shown": seconds, "hover": found, "each": each}
        rows += [
            (f"{title}: shown, pictures and all", f"{seconds:.2f} s", "≤ 3 s"),
            (f"{title}: hover, scripts", spread(found["work"]), "≤ 8 ms"),
            (f"{title}: hover, event to painted frame", spread(found["painted"]), "≤ 50 ms"),
            (f"{title}: the page before", said(before), ""),
            (f"{title}: the page with them", said(after), ""),
            (f"{title}: each", said(each), ""),
        ]
    table("Many widgets in one page; hovering a word of the last one", HEAD, rows)
    return kept_numbers


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
        const tokens = [...harness.hosts.get(id).model.get('sides')[0].panels[0].tokens.keys()];
        harness.receive(id, {type: 'features', epoch: 1, side: 0, id: 0, features: tokens}, [rows]);
        harness.receive(id, {type: 'done', epoch: 1}, []);
        await new Promise(done => setTimeout(done, 30));
        await harness.hosts.get(id).close();
    }
}"""


def reruns(browser: Browser, amounts: Amounts) -> dict[str, Any]:
    rows: Rows = []
    kept_numbers: dict[str, Any] = {"size": named(SMALL)}
    rows_data = json.loads(kept(state(SMALL))[2])["rows"]["base64"]
    for title, anew in (("one import for all", False), ("an import for each, as hosts do", True)):
        with open_harness(browser) as page:
            session = page.page.context.new_cdp_session(page.page)
            name = page.keep(state(SMALL, baked=False))
            found: dict[int, dict[str, float]] = {}
            done = 0
            for stop in amounts.runs:
                page.page.evaluate(RERUN, [name, stop - done, anew, rows_data])
                done, found[stop] = stop, counts(session)
                rows.append((f"{title}: after {stop}", said(found[stop]), ""))
            kept_numbers[title] = growth(found, amounts)
            rows.append((f"{title}: each of the last", grown(kept_numbers[title]), "0"))
    table(f"Made, filled and taken down again: {named(SMALL)}", HEAD, rows)
    return kept_numbers


def growth(found: dict[int, dict[str, float]], amounts: Amounts) -> dict[str, float]:
    """Return what each run between the last two counts has added."""
    _, middle, last = amounts.runs
    added = {key: found[last][key] - found[middle][key] for key in found[last]}
    return {key: value / (last - middle) for key, value in added.items()}


def grown(each: dict[str, float]) -> str:
    return (
        f"{1000 * each['heap']:+.1f} kB heap, {1000 * each['buffers']:+.1f} kB array buffers, "
        f"{each['nodes']:+.2f} nodes, {each['listeners']:+.2f} listeners"
    )


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
widget = fp.explain(scene.image, scene.caption, model="scenes")
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


def in_jupyterlab(browser: Browser, amounts: Amounts) -> dict[str, Any]:
    rows: Rows = []
    kept_numbers: dict[str, Any] = {"scene": "dog-and-ball"}
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
                for run in range(1, amounts.runs[-1] + 1):
                    notebook.run_all()
                    page.wait_for_timeout(50)
                    notebook.wait_idle()
                    page.wait_for_function(SHOWN, timeout=60_000)
                    if run in amounts.runs:
                        page.wait_for_timeout(2_000)
                        found[run] = counts(session)
                        rows.append((f"{title}: after {run}", said(found[run]), ""))
                kept_numbers[title] = growth(found, amounts)
                rows.append((f"{title}: each of the last", grown(kept_numbers[title]), ""))
                notebook.shut_down()
                context.close()
        finally:
            lab.stop()
    table("A cell run again in JupyterLab, which closes the widget that it replaces", HEAD, rows)
    return kept_numbers


HEAD = ("", "median / p95, or value", "bound")
TABLES: dict[str, Callable[[Browser, Amounts], dict[str, Any]]] = {
    "hover": hovering,
    "drag": dragging,
    "first": first_paint,
    "size": size,
    "idle": idle,
    "many": many,
    "reruns": reruns,
    "lab": in_jupyterlab,
}


def run(browser: Browser, names: Sequence[str], amounts: Amounts, folder: Path) -> None:
    """Measure, and put the numbers beside those of other parts that are kept."""
    found = (read("view", folder) or {"numbers": {}})["numbers"]
    for name in names:
        found[name] = TABLES[name](browser, amounts)
    keep("view", {**found, "browser": f"Chromium {browser.version}"}, folder)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--records", type=Path, default=FOLDER, help="where to keep the numbers")
    options = parser.parse_args(arguments)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        run(browser, options.only, Amounts(), options.records)
        browser.close()


if __name__ == "__main__":
    main()
