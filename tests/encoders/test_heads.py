"""A head from outside, made known by its family, and heads that cannot be used."""

import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import fpattr_widget as fp
from fpattr_widget.methods._mixed_partials import MixedPartials
from fpattr_widget.methods._product import Product
from tests.helpers.anybodys_encoder import IDS, PAGE, Mine, towers
from tests.helpers.family_checks import far_from_linear

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("families_as_before")]


def test_the_page_says_how():
    model, head = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(head.splitlines()) < 40
    torch.manual_seed(0)
    names: dict = {}
    exec(model, names)  # the page's own samples
    exec(head, names)
    pairs, frozen = names["pairs"], names["frozen"]
    assert isinstance(pairs._measured(), MixedPartials)
    assert names["both"] == pytest.approx(pairs.ledger.pairs, abs=1e-6)
    assert abs(pairs.ledger.residual) < 0.02
    assert isinstance(frozen._measured(), Product)
    assert frozen.matrix.shape == pairs.matrix.shape == (4, 9)
    assert np.abs(pairs.routing.matrix).max() > 1e-4
    read_out = pairs.read_out
    assert read_out.places[::31] == ("channel 1", "channel 32")
    assert read_out.similarity == pytest.approx(pairs.ledger.similarity, abs=1e-6)
    assert read_out.contributions.sum() == pytest.approx(read_out.similarity, abs=1e-6)
    assert "channel 32" not in pairs.parts  # it cannot read through one alone
    with pytest.raises(fp.InputError, match="`weight_scale` is given, but 'Gated' has no scale"):
        fp.load_encoder(names["Gated"](), weight_scale=2)


class Head:
    """The plain product, unless a test changes one of its functions."""

    def mix(self, image: Tensor, text: Tensor) -> Tensor:
        return image + 0 * text

    def embed(self, text: Tensor) -> Tensor:
        return text

    def frozen(self, image: Tensor, text: Tensor) -> Any:
        return lambda others: others


def load(head: Any) -> fp.DualEncoder:
    family = fp.Family("mine", lambda m: isinstance(m, Mine), towers, head=lambda _: head)
    fp.register_family(family)
    torch.manual_seed(0)
    return fp.load_encoder(far_from_linear(Mine()))


def changed(**functions: Any) -> Any:
    head = Head()
    for name, function in functions.items():
        setattr(head, name, function)
    return head


@pytest.mark.parametrize(
    ("functions", "message"),
    [
        ({"mix": lambda image, text: image.sum(-1)}, r"`head` returned a tensor \(1,\) from `mix`"),
        ({"mix": lambda image, text: 1.0}, "`head` returned a float from `mix`: return a tensor"),
        ({"mix": lambda image, text: image[:0]}, r"`head` returned a tensor \(0, 12\) from `mix`"),
        ({"embed": lambda text: text[..., :5]}, r"a tensor \(1, 5\) from `embed`: .* \(1, 12\)"),
        ({"mix": lambda image, text: image / 0}, "`head` gives scores that are no numbers"),
        ({"embed": lambda text: torch.nan * text}, "`head` gives scores that are no numbers"),
    ],
)
def test_a_head_whose_output_is_no_embedding_is_told(pixels, functions, message):
    encoder = load(changed(**functions))
    with pytest.raises(fp.InputError, match=message):
        encoder.similarity(pixels, IDS)
    with pytest.raises(fp.InputError, match=r"`head` (returned|gives)|not finite"):
        fp.attribute(encoder, pixels, IDS).ledger  # noqa: B018


def test_a_read_out_that_is_none_is_told(pixels):
    encoder = load(changed(read_out=lambda image, text: {"weights": image}))
    with pytest.raises(fp.InputError, match="`head` returned a dict from `read_out`: return an"):
        encoder.read_out(pixels, IDS)
    with pytest.raises(fp.InputError, match="`head` returned a dict from `read_out`: return an"):
        fp.attribute(encoder, pixels, IDS).read_outs  # noqa: B018
    encoder = load(
        changed(frozen_through=lambda image, text, place: lambda u: u[..., :2], grid=(1, 1))
    )
    with pytest.raises(fp.InputError, match=r"a tensor \(2,\) from `frozen_through`: .* \(12\)"):
        fp.attribute(encoder, pixels, IDS).through(0).ledger  # noqa: B018
    encoder = load(changed(frozen_through=lambda image, text, place: lambda u: 0 * u, grid=(1, 1)))
    assert not fp.attribute(encoder, pixels, IDS).through(0).matrix.any()  # adds nothing
    with pytest.raises(fp.InputError, match=r"'Mine' has no head that says what it reads"):
        load(Head()).read_out(pixels, IDS)


def test_a_batch_of_captions_is_told(pixels):
    encoder = load(Head())
    for call in (encoder.similarity, lambda *pair: fp.attribute(encoder, *pair)):
        with pytest.raises(fp.InputError, match="`caption` "):
            call(pixels, torch.tensor(IDS).repeat(2, 1))
        with pytest.raises(fp.InputError, match="`caption` "):
            call(pixels, ["a dog", "a cat"])


def test_a_head_that_lacks_a_function_is_told():
    for wrong in (None, Head, nn.Linear(2, 2)):
        with pytest.raises(fp.InputError, match=r"`head` of the family makes a .*, which lacks"):
            load(wrong)


def test_a_frozen_routing_that_is_another_is_told(pixels):
    encoder = load(changed(frozen=lambda image, text: lambda others: 2 * others))
    with pytest.raises(fp.InputError, match="`head` has a `frozen` that does not give the pair's"):
        fp.attribute(encoder, pixels, IDS, reading="frozen").ledger  # noqa: B018


def test_a_head_that_routes_nothing_is_the_plain_product(pixels):
    plain = fp.DualEncoder("plain", load(Head()).model, fp.Family("p", lambda _: True, towers))
    found, expected = (
        fp.attribute(one, pixels, IDS, fp.IntegratedJacobians(steps=3))
        for one in (load(Head()), plain)
    )
    np.testing.assert_allclose(found.matrix, expected.matrix, atol=1e-7)
    assert np.abs(found.routing.matrix).max() == 0
