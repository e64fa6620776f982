"""Views in a page of their own: real files and states, a small host, no notebook, no network."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, Route

from fpattr_widget.encoders import Token
from fpattr_widget.methods import Product
from fpattr_widget.methods._contributions import ExplicitContributions
from fpattr_widget.pairs import About, FeaturePairs
from tests.helpers.recorded import pairs_of
from tests.helpers.shown import kind_of, rows_message

HERE = Path(__file__).parent
ADDRESS = "http://localhost/views"
# No request can leave: what is not in the page already comes from memory.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' blob:; style-src 'unsafe-inline'; "
    "img-src blob: data:"
)
HOST = (HERE / "harness.js").read_text(encoding="utf-8")
EPOCH = 1

State = Mapping[str, Any]


def packed(value: Any) -> Any:
    """Return a trait or message in a form that JSON takes, its bytes as base64."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        return {key: packed(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [packed(one) for one in value]
    return value


def unpacked(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"base64"}:
            return base64.b64decode(value["base64"])
        return {key: unpacked(one) for key, one in value.items()}
    return [unpacked(one) for one in value] if isinstance(value, list) else value


def kept(state: State) -> tuple[str, str, str]:
    """Return a widget's module, its style sheet and what is left of its state, as JSON."""
    rest = {name: value for name, value in state.items() if name not in ("_esm", "_css", "layout")}
    return state["_esm"], state["_css"], json.dumps(packed(rest))


class View:
    """One model and its views."""

    def __init__(self, harness: "Harness", model: str, names: Sequence[str]):
        self.harness = harness
        self.page = harness.page
        self.model = model
        self.roots = [self.page.locator(f'[data-view="{name}"] .fpattr') for name in names]
        self.root: Locator = self.roots[0]

    def _call(self, function: str, *values: Any) -> Any:
        script = f"values => harness.{function}(...values)"
        return self.page.evaluate(script, [self.model, *values])

    def receive(self, message: Mapping[str, Any], *buffers: bytes) -> None:
        """Give the page a message, as if Python had sent it."""
        encoded = [base64.b64encode(buffer).decode() for buffer in buffers]
        self._call("receive", dict(message), encoded)

    def receive_rows(self, rows: np.ndarray, tokens: Sequence[int] | None = None) -> None:
        """Give the page rows over all image features, ``(tokens, specials + patches)``."""
        numbers = list(range(len(rows)) if tokens is None else tokens)
        data = np.ascontiguousarray(rows[numbers], dtype="<f4").tobytes()
        self.receive(rows_message(numbers, EPOCH), data)

    def update(self, **traits: Any) -> None:
        """Set traits together, as if Python had."""
        self._call("update", json.dumps(packed(traits)))

    def pin(self, tokens: Sequence[int] = (), patches: Sequence[int] = ()) -> None:
        """Pin words and patches of a caption and a picture, and nothing else."""
        columns = [self._specials + patch for patch in patches]
        self.update(selected_rows=list(tokens), selected_columns=columns)

    @property
    def pins(self) -> tuple[list[int], list[int]]:
        """The tokens and patches that are pinned."""
        columns = self.get("selected_columns")
        return self.get("selected_rows"), [column - self._specials for column in columns]

    @property
    def _specials(self) -> int:
        return len(self.get("sides")[1]["panels"][0]["names"])

    def get(self, trait: str) -> Any:
        return unpacked(self._call("get", trait))

    def sent(self, kind: str | None = None) -> list[tuple[dict[str, Any], list[bytes]]]:
        """Return what the page sent, each message with its buffers."""
        messages = [(content, unpacked(buffers)) for content, buffers in self._call("sent")]
        return [one for one in messages if kind in (None, kind_of(one[0]))]

    def greet(self) -> None:
        """Answer the page's greeting, in the protocol that it speaks."""
        hello, _ = self.sent("hello")[-1]
        self.receive(hello)

    def show_progress(self) -> None:
        """Have Python say how far it is."""
        self.greet()
        self.receive({"type": "progress", "epoch": EPOCH, "message": "312 of 1,024 masks"})
        self.root.locator(".fpattr-line", has_text="312 of 1,024 masks").wait_for()

    def wait_shown(self, shown: str, root: Locator | None = None) -> None:
        handle = (root or self.root).element_handle()
        self.page.wait_for_function("([r, s]) => r.dataset.shown === s", arg=[handle, shown])

    def wait_painted(self) -> None:
        """Wait for what was asked for in this frame to be painted."""
        self.page.evaluate(
            "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    def close(self) -> None:
        self.page.evaluate("id => harness.hosts.get(id).close()", self.model)


class Harness:
    """A page for views; every request is refused, and noted."""

    def __init__(self, page: Page, *, jupyter: str | None = None):
        self.page = page
        self.requests: list[str] = []
        self.errors: list[str] = []
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._note)
        page.route("**/*", self._answer)
        page.goto(ADDRESS)
        page.evaluate(HOST)
        if jupyter:
            page.evaluate(
                "light => { document.body.dataset.jpThemeLight = light; }",
                "true" if jupyter == "light" else "false",
            )

    def _note(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _answer(self, route: Route) -> None:
        if route.request.url == ADDRESS:
            body = (HERE / "harness.html").read_text(encoding="utf-8")
            headers = {"Content-Security-Policy": POLICY}
            route.fulfill(body=body, content_type="text/html", headers=headers)
        else:
            self.requests.append(route.request.url)
            route.abort()

    def keep(self, state: State) -> str:
        """Bring a state into the page; return its name there."""
        return self.page.evaluate("values => harness.keep(...values)", list(kept(state)))

    def show(
        self, state: State, *, views: int = 1, width: int | None = None, shadow: bool = False
    ) -> View:
        """Make a model of a widget's state and show views of it."""
        name = self.keep(state)
        model = self.page.evaluate("name => harness.open(name)", name)
        options = {"width": width, "shadow": shadow}
        script = "([model, options]) => harness.show(model, options)"
        names = [self.page.evaluate(script, [model, options]) for _ in range(views)]
        return View(self, model, names)


@contextmanager
def open_harness(
    browser: Browser,
    *,
    size: tuple[int, int] = (1280, 1000),
    jupyter: str | None = None,
    script: str = "",
    still: bool = False,
    **options: Any,
) -> Iterator[Harness]:
    """Open an empty page for views.

    Parameters
    ----------
    browser
        Where.
    size
        Width and height of the page, in CSS pixels.
    jupyter
        ``"light"`` or ``"dark"``: the theme that the page says JupyterLab has.
    script
        Runs before anything else in the page.
    still
        Let time stand, to be moved by ``page.clock``.
    options
        For the browser's context: ``color_scheme``, ``device_scale_factor``, …
    """
    width, height = size
    context = browser.new_context(viewport={"width": width, "height": height}, **options)
    try:
        page = context.new_page()
        if still:
            page.clock.install()
        if script:
            page.add_init_script(script)
        yield Harness(page, jupyter=jupyter)
    finally:
        context.close()


@contextmanager
def harness(
    browser: Browser,
    state: State,
    *,
    views: int = 1,
    width: int | None = None,
    shadow: bool = False,
    **options: Any,
) -> Iterator[View]:
    """Open a page with views of one model; options as for ``open_harness``."""
    with open_harness(browser, **options) as opened:
        yield opened.show(state, views=views, width=width, shadow=shadow)


CAPTION = (
    "In the late afternoon a small brown dog with a red collar runs along the wet sand beside a "
    "rusty bicycle, while two children in yellow raincoats fly an old kite over the grey sea, "
    "and behind them an elderly fisherman in a blue woollen jumper mends his nets on the wooden "
    "pier near a lighthouse, three gulls, an overturned rowing boat and a striped "
    "deckchair that nobody has claimed all day"
)


def synthetic_pairs(
    tokens: int = 77,
    rows: int = 32,
    columns: int = 32,
    *,
    caption: str = CAPTION,
    side: int = 448,
    seed: int = 0,
    picture: Image.Image | None = None,
) -> FeaturePairs:
    """Return pairs of random contributions, signed and as long as needed.

    The words of ``caption`` are tokens, as many as there is room for, the
    longest cut in two until all are used; BOS and EOS stand at the ends.
    """
    random = np.random.default_rng(seed)
    spans = _cut(caption, tokens - 2)
    middle = [Token(caption[a:b], word, a, b, False) for word, a, b in spans]
    ends = [Token(name, None, None, None, True) for name in ("BOS", "EOS")]
    hues = np.kron(random.integers(40, 220, (side // 32, side // 32, 3)), np.ones((32, 32, 1)))
    pixels = (hues + random.normal(0, 6, hues.shape)).clip(0, 255).astype("uint8")

    def measure() -> Product:
        sides = []
        for count in (tokens, 1 + rows * columns):
            vectors = torch.as_tensor(random.normal(0, 1, (count, 24)) / count)
            start = torch.as_tensor(random.normal(0, 1, 24) / 8)
            sides.append(ExplicitContributions(vectors, start + vectors.sum(0), start, "4 nodes"))
        return Product(sides[0], sides[1], ("text", "image"), nullcontext)

    return pairs_of(
        measure,
        caption=caption[: spans[-1][2]],
        tokens=[ends[0], *middle, ends[1]],
        picture=picture or Image.fromarray(pixels),
        grid=(rows, columns),
        about=About("openai/clip-vit-large-patch14", "integrated Jacobians", "text 11 · image 22"),
    )


def unknown_words(pairs: FeaturePairs) -> FeaturePairs:
    """Return the same pairs with every third token one that the tokenizer does not know."""
    tokens = [
        replace(token, unknown=number % 3 == 0 and not token.special)
        for number, token in enumerate(pairs.tokens)
    ]
    return pairs_of(
        pairs.compute_all().recorded,
        caption=pairs.caption,
        tokens=tokens,
        picture=pairs.picture,
        grid=pairs.grid,
        special=pairs.image_special_names,
        about=pairs.about,
    )


def _cut(caption: str, count: int) -> list[tuple[int, int, int]]:
    """Return ``count`` pieces as (word, start, stop), cutting the longest while there are few."""
    pieces, stop = [], 0
    for word, text in enumerate(caption.split()[:count]):
        start = caption.index(text, stop)
        stop = start + len(text)
        pieces.append((word, start, stop))
    while len(pieces) < count:
        longest = max(range(len(pieces)), key=lambda i: pieces[i][2] - pieces[i][1])
        word, start, stop = pieces[longest]
        middle = (start + stop) // 2
        pieces[longest : longest + 1] = [(word, start, middle), (word, middle, stop)]
    return pieces


def state_of(pairs: FeaturePairs, *, baked: bool = True, **options: Any) -> dict[str, Any]:
    """Return the state of a real widget of these pairs, with all rows or with none."""
    widget = pairs.widget(**options)
    try:
        return (widget.bake() if baked else widget).get_state()
    finally:
        widget.close()
