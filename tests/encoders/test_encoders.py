"""Loading, layers, embeddings, and leaving the user's model as it was."""

import copy
import json
import pickle
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from transformers import BertConfig, BertModel

import fpattr_widget as fp
from fpattr_widget.assets import MODEL_FOLDERS
from tests.helpers.family_checks import snapshot
from tests.helpers.models import CAPTIONS, Processor, clip, encoder_of, random_clip

FAST = fp.IntegratedJacobians(steps=2)


def test_similarity_is_the_cosine_of_the_real_model(encoder, picture):
    model = encoder.model
    text = encoder.prepare("a dog", "text").inputs
    image = encoder.prepare(picture, "image").inputs
    with torch.no_grad():
        output = model(**text, **image)
    cosine = torch.nn.functional.cosine_similarity(output.text_embeds, output.image_embeds)
    assert encoder.similarity(picture, "a dog") == pytest.approx(float(cosine), abs=1e-6)


def test_embeddings_have_unit_length(encoder, picture):
    images = encoder.embed_image([picture, picture.rotate(90)])
    texts = encoder.embed_text(["a dog", "a cat and a ball", "a kite"])
    assert images.shape == (2, 12)
    assert texts.shape == (3, 12)
    np.testing.assert_allclose(np.linalg.norm(texts, axis=1), 1, atol=1e-6)
    with pytest.raises(fp.InputError, match="`captions` is one string"):
        encoder.embed_text("a dog")
    with pytest.raises(fp.InputError, match="`images` is an empty list"):
        encoder.embed_image([])


@pytest.mark.parametrize("layer", [3, -4, (0, 3), (0, 1, 2), "last", 1.0, True])
def test_a_wrong_layer_is_named(encoder, picture, layer):
    with pytest.raises(fp.InputError, match="`layer` is"):
        fp.attribute(encoder, picture, "a dog", layer=layer)


def test_layers_count_from_both_ends(encoder, picture):
    one = fp.attribute(encoder, picture, "a dog", FAST, layer=(2, 0)).matrix
    two = fp.attribute(encoder, picture, "a dog", FAST, layer=(-1, -3)).matrix
    np.testing.assert_array_equal(one, two)


def test_an_unknown_method_is_named(encoder, picture):
    with pytest.raises(fp.InputError, match="`method` is 'magic'"):
        fp.attribute(encoder, picture, "a dog", method="magic")


def test_a_saved_folder_loads_like_a_hub_model(saved_model, picture):
    encoder = fp.load_encoder(saved_model)
    assert encoder.dtype == torch.float32
    assert encoder.name == saved_model.name  # not the path: notebooks are shared
    assert encoder.resolve_layers(None) == (1, 2)
    assert encoder.defaults.references == {"text": "exclip"}
    by_hand = fp.load_encoder(random_clip(5, dtype=torch.float32), processor=Processor(24))
    assert encoder.similarity(picture, "a dog") == pytest.approx(
        by_hand.similarity(picture, "a dog"), abs=1e-6
    )
    assert by_hand.resolve_layers(None) == (2, 2)
    given, named, other = (
        fp.attribute(encoder, picture, "a dog", fp.IntegratedJacobians(text_reference=kind)).ledger
        for kind in (None, "exclip", "pad")
    )
    assert given == named != other


def test_captions_that_differ_in_what_is_special_are_measured_apart(encoder, picture):
    text = encoder.prepare("a dog", "text")
    marked = tuple(replace(token, special=token.text != "a") for token in text.tokens)
    ledgers = [
        fp.attribute(encoder, picture, one, FAST).ledger
        for one in (text, replace(text, tokens=marked), replace(text, filler=7))
    ]
    assert len({ledger.baseline for ledger in ledgers}) == 3


def test_unknown_models_are_named(tmp_path):
    for name in ("nobody/has-this-model", str(tmp_path)):
        with pytest.raises(fp.InputError, match=r"`model` .* cannot be loaded"):
            fp.load_encoder(name)
    bert = BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, vocab_size=9)
    bert.save_pretrained(tmp_path)
    with pytest.raises(fp.InputError, match="is of type 'bert'"):
        fp.load_encoder(tmp_path)
    with pytest.raises(fp.InputError, match="not a dual encoder of a known family"):
        fp.load_encoder(BertModel(bert))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("/no/such/folder", "there is no folder /no/such/folder: "),
        ("./model/", "there is no folder ./model/: "),
        ("https://huggingface.co/openai/clip", "is an address: pass a Hugging Face id alone"),
        (" ", "`model` is empty"),
        (__file__, "it is a file: pass the folder"),
        (7, "`model` is a int: pass 'bundled', 'scenes', 'llip', a Hugging"),
    ],
)
def test_what_names_no_model_is_told_in_one_sentence(name, sentence):
    with pytest.raises(fp.InputError) as caught:
        fp.attribute(name, torch.zeros(1, 3, 24, 24), "a dog")
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("`model`")


def test_every_call_takes_a_name_a_folder_a_module_and_an_encoder(saved_model, picture):
    module, processor = random_clip(5, dtype=torch.float32), Processor(24)
    encoder = fp.load_encoder(module, processor=processor)
    layer = (1, 2)
    expected = fp.attribute(encoder, picture, "a dog", FAST, layer).matrix
    for model, with_it in ((str(saved_model), None), (saved_model, None), (module, processor)):
        options = {"processor": with_it, "layer": layer, "method": FAST}
        # A folder's own reference is another one.
        same = fp.IntegratedJacobians(steps=2, text_reference="pad")
        options["method"] = same
        pairs = fp.attribute(model, picture, "a dog", **options)
        np.testing.assert_allclose(pairs.matrix, expected, atol=1e-6)
        view = fp.explain(picture, "a dog", model=model, **options)
        np.testing.assert_allclose(view.pairs.matrix, expected, atol=1e-6)
        explorer = fp.explore(picture, "a dog", model=model, **options)
        np.testing.assert_allclose(explorer.pairs.matrix, expected, atol=1e-6)
        explorer.close()
        view.close()
    assert fp.attribute("scenes", picture, "a dog").about.model == "scenes"
    samples = fp.datasets.examples()[:1]
    told = {"metrics": "completeness", "methods": same, "layers": layer, "progress": False}
    reports = [
        fp.evaluate(encoder, samples, **told),
        fp.evaluate(module, samples, processor=processor, **told),
        fp.evaluate({"a": module, "b": saved_model}, samples, processor=processor, **told),
    ]
    values = [row[9] for report in reports for row in report.scores().rows if row[9] is not None]
    half = len(reports[0].scores().rows)
    for start in range(half, len(values), half):
        np.testing.assert_allclose(values[start : start + half], values[:half], atol=1e-6)


def test_the_bundled_models_go_by_their_names(tmp_path, monkeypatch, saved_model):
    """Whatever folders lie where the program runs."""
    shutil.copytree(saved_model, tmp_path / "scenes")
    shutil.copytree(saved_model, tmp_path / "bundled")
    shutil.copytree(saved_model, tmp_path / "llip")
    monkeypatch.chdir(tmp_path)
    for name, kind in (("llip", "Llip"), ("bundled", "AlignModel"), ("scenes", "CLIPModel")):
        encoder = fp.load_encoder(name)
        assert encoder.name == encoder.recipe.model == name
        assert type(encoder.model).__name__ == kind
        own = json.loads((MODEL_FOLDERS[name] / "attribution.json").read_text("utf-8"))["layer"]
        text, image = (len(tower.blocks) for tower in encoder.towers.values())
        assert encoder.resolve_layers(None) == (own[0] % text, own[1] % image)
        other = fp.load_encoder(saved_model).model
        assert len(encoder.model.state_dict()) != len(other.state_dict())
    again = pickle.loads(pickle.dumps(encoder.recipe)).load()
    assert (again.name, type(again.model).__name__) == ("scenes", "CLIPModel")
    # By its path, a folder is itself.
    local = fp.load_encoder("./scenes")
    assert local.recipe.model == str(tmp_path / "scenes")
    assert local.model.num_parameters() != again.model.num_parameters()


def test_a_processor_beside_what_has_its_own_is_told(encoder, picture):
    for model in (encoder, "scenes"):
        with pytest.raises(fp.InputError, match="`processor` is for a loaded module"):
            fp.attribute(model, picture, "a dog", processor=Processor(24))


def test_a_processor_may_be_its_two_parts(encoder, picture):
    parts = Processor(24).tokenizer, Processor(24).image_processor
    expected = encoder.similarity(picture, "a dog")
    named = {"tokenizer": parts[0], "image_processor": parts[1]}
    for processor in (parts, parts[::-1], list(parts), named, encoder):
        other = fp.load_encoder(random_clip(), processor=processor)
        assert other.similarity(picture, "a dog") == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("processor", "sentence"),
    [
        (object(), "is a object that holds neither a tokenizer nor an image_processor"),
        ({}, "is a dict that holds neither"),
        ({"tok": Processor(24).tokenizer}, "is a dict that holds neither"),
        (Processor(24).image_processor, "that holds neither"),
        (Processor(24).tokenizer, "is a tokenizer alone"),
        ((Processor(24).tokenizer,), "in place of one tokenizer and one image transform"),
        ((1, 2), "holds int, int in place of"),
        ((Processor(24).tokenizer, 7), "an image_processor of type int"),
        ((Processor(24).tokenizer, lambda picture: picture + 1), "fails on a PIL image"),
        ({"tokenizer": 7}, "a tokenizer of type int"),
    ],
)
def test_a_processor_that_holds_nothing_usable_is_told_at_once(processor, sentence):
    with pytest.raises(fp.InputError) as caught:
        fp.load_encoder(random_clip(), processor=processor)
    assert str(caught.value).startswith("`processor`")
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"device": "cuda:99"}, "`device` is 'cuda:99', which torch cannot use here"),
        ({"device": "meta"}, "`device` is 'meta', which torch cannot use here"),
        ({"device": "gpu"}, "`device` is 'gpu': pass 'cpu', 'cuda' or 'mps'."),
        ({"dtype": "float16"}, "`dtype` is 'float16': pass torch.float32"),
        ({"dtype": torch.int8}, "`dtype` is torch.int8: pass torch.float32"),
    ],
)
def test_a_device_or_type_that_cannot_be_used_is_told_and_nothing_is_moved(options, sentence):
    model = random_clip()
    before = snapshot(model)
    with pytest.raises(fp.InputError) as caught:
        fp.load_encoder(model, processor=Processor(24), **options)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert snapshot(model) == before


def test_a_model_of_integers_is_told():
    model = random_clip(dtype=torch.float32)
    quantised = torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)
    whole = random_clip()
    layer = whole.text_model.encoder.layers[1].mlp.fc1
    layer.weight = nn.Parameter(layer.weight.detach().to(torch.int8), requires_grad=False)
    for one, place in ((quantised, "layers.0.self_attn"), (whole, "layers.1.mlp.fc1")):
        with pytest.raises(fp.InputError, match="`model` is quantised") as caught:
            fp.load_encoder(one, processor=Processor(24))
        assert place in str(caught.value)


def test_missing_weights_are_told(saved_model, tmp_path):
    for path in saved_model.iterdir():
        if path.suffix != ".safetensors":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(fp.InputError, match="cannot be loaded"):
        fp.load_encoder(tmp_path)
    torch.save(random_clip().state_dict(), tmp_path / "pytorch_model.bin")  # a pickle: it runs code
    with pytest.raises(fp.InputError, match="cannot be loaded"):
        fp.load_encoder(tmp_path)


def test_damaged_files_are_told(saved_model, tmp_path):
    for path in saved_model.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    for damaged in (
        '{"layer": 3}',
        "[]",
        '{"layer": [1, 2], "text_reference": "pad", "nodes": [1]}',
        '{"layer": [1, 2], "text_reference": "pad", "nodes": "many"}',
    ):
        (tmp_path / "attribution.json").write_text(damaged)
        with pytest.raises(fp.InputError, match=r"damaged attribution\.json"):
            fp.load_encoder(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(fp.InputError, match="cannot be loaded"):
        fp.load_encoder(tmp_path)


def test_a_processor_of_another_size_is_told(picture):
    encoder = fp.load_encoder(random_clip(), processor=Processor(32))
    with pytest.raises(fp.InputError, match="check the image processor"):
        fp.attribute(encoder, picture, "a dog")


def test_nan_weights_are_told(picture):
    model = random_clip()
    with torch.no_grad():
        model.visual_projection.weight[0, 0] = torch.nan
    encoder = fp.load_encoder(model, processor=Processor(24))
    with pytest.raises(fp.InputError, match="no usable image embedding"):
        encoder.similarity(picture, "a dog")
    with pytest.raises(fp.InputError, match="no usable image embedding"):
        fp.attribute(encoder, picture, "a dog").row(1)


def test_the_model_is_left_as_it_was_found(picture):
    model = random_clip().train()
    model.vision_model.embeddings.patch_embedding.weight.requires_grad_(False)
    before = copy.copy(snapshot(model))
    kernel = torch.backends.cuda.flash_sdp_enabled(), torch.backends.mha.get_fastpath_enabled()
    encoder = fp.load_encoder(model, processor=Processor(24))
    pairs = fp.attribute(encoder, picture, "a dog", FAST, 1)
    pairs.of_region(np.eye(3, dtype=bool))
    assert np.isfinite(pairs.matrix).all()
    assert snapshot(model) == before
    after = torch.backends.cuda.flash_sdp_enabled(), torch.backends.mha.get_fastpath_enabled()
    assert after == kernel


def test_the_model_is_left_as_it_was_found_when_it_raises(picture):
    model = random_clip().train()

    def fail(*_: object) -> None:
        raise RuntimeError("a broken part")

    encoder = fp.load_encoder(model, processor=Processor(24))
    hook = model.visual_projection.register_forward_hook(fail)
    before = snapshot(model)
    with pytest.raises(RuntimeError, match="a broken part"):
        fp.attribute(encoder, picture, "a dog", FAST, 1).row(1)
    assert snapshot(model) == before
    hook.remove()
    assert np.isfinite(fp.attribute(encoder, picture, "a dog", FAST, 1).row(1)).all()


def test_dropout_and_a_frozen_graph_do_not_reach_the_numbers(picture):
    """A model in training mode is explained as it predicts."""
    model = random_clip()
    encoder = fp.load_encoder(model, processor=Processor(24))
    calm = fp.attribute(encoder, picture, "a dog", FAST, 1).matrix
    for module in model.modules():
        if hasattr(module, "dropout") and isinstance(module.dropout, float):
            module.dropout = 0.5
    model.train()
    np.testing.assert_array_equal(fp.attribute(encoder, picture, "a dog", FAST, 1).matrix, calm)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_both_attention_implementations_agree(picture, attention, encoder):
    model = random_clip()
    model.set_attn_implementation(attention)
    other = fp.load_encoder(model, processor=Processor(24))
    np.testing.assert_allclose(
        fp.attribute(other, picture, "a dog", FAST, 0).matrix,
        fp.attribute(encoder, picture, "a dog", FAST, 0).matrix,
        atol=1e-6,
    )
    assert model.config._attn_implementation == attention


def test_code_that_comes_with_a_model_is_never_run(saved_model, tmp_path):
    trace = tmp_path / "ran"
    folder = tmp_path / "model"
    folder.mkdir()
    for path in saved_model.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "evil.py").write_text(f"open({str(trace)!r}, 'w').close()\n")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}
    config["model_type"] = "evil"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(fp.InputError, match="cannot be loaded"):
        fp.load_encoder(folder)
    assert not trace.exists()


def test_a_module_that_has_to_be_converted_is_copied(picture):
    model = random_clip(dtype=torch.float32)
    before = {name: weight.data_ptr() for name, weight in model.named_parameters()}
    wide = fp.load_encoder(model, processor=Processor(24), dtype=torch.float64, device="cpu")
    assert wide.dtype == torch.float64
    assert {name: weight.data_ptr() for name, weight in model.named_parameters()} == before
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    own = fp.load_encoder(model, processor=Processor(24), dtype=torch.float32, device="cpu")
    assert own.model is model
    assert own.similarity(picture, "a dog") == pytest.approx(
        wide.similarity(picture, "a dog"), abs=1e-6
    )


def test_passes_of_several_threads_run_one_after_the_other():
    """A module may note things of the pass that it is in."""
    model, inside, found = clip(), [], []

    def enter(*_: object) -> None:
        inside.append(None)
        time.sleep(0.01)
        found.append(len(inside))

    block = model.text_model.encoder.layers[0]
    block.register_forward_pre_hook(enter)
    block.register_forward_hook(lambda *_: inside.clear())
    encoder = encoder_of(model)
    with ThreadPoolExecutor(len(CAPTIONS)) as pool:
        list(pool.map(lambda caption: encoder.embed_text([caption]), CAPTIONS))
    assert found == [1] * len(CAPTIONS)
