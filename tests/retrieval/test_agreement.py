"""Agreement of rankings against all of it done by hand, and on models whose answer is known."""

import copy
import csv
import html
import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import fpattr_widget as fp
from fpattr_widget.cli import main
from fpattr_widget.encoders import Tower
from fpattr_widget.errors import InputError, Problem
from fpattr_widget.evaluation import Paraphrase, Paraphrases, estimate
from fpattr_widget.retrieval import (
    average_overlap_by_chance,
    jaccard_by_chance,
    rank_biased_overlap_by_chance,
)
from fpattr_widget.retrieval._places import places_of
from fpattr_widget.retrieval._two_rankings import ordinal

K = 3
PICTURES = 7
WORDINGS = [
    ("a big dog and a small ball", "a small ball and a large dog", "dog", 0),
    ("a big dog and a small ball", "a train next to a dog", "dog", 0),
    ("two trucks on the road", "on the road there are two trucks", "trucks", 1),
    ("a mushroom, a rabbit and a train", "a train, a mushroom and a rabbit", "forest", 2),
    ("a robot over a key", "a key under a robot", "robot", 3),
    ("a boat", "a whale in the water", "", None),
]


@pytest.fixture(scope="module")
def scenes():
    return fp.datasets.scenes(number=PICTURES)


@pytest.fixture(scope="module")
def deaf_encoder(scenes_encoder):
    """Return the model of scenes, for which a whale is a dog."""
    model = copy.deepcopy(scenes_encoder.model)
    table = model.text_model.embeddings.token_embedding.weight
    ids = scenes_encoder.tokenizer(["dog whale"])["input_ids"][0]
    with torch.no_grad():
        table[ids[2]] = table[ids[1]]
    return fp.load_encoder(model, processor=scenes_encoder)


@pytest.fixture(scope="module")
def wordings(scenes):
    pairs = [
        Paraphrase(
            query,
            paraphrase,
            group,
            None if own is None else scenes[own].source,
            ((((query.index("big"), query.index("big") + 3)), (19, 24)),) if number == 0 else (),
        )
        for number, (query, paraphrase, group, own) in enumerate(WORDINGS)
    ]
    return Paraphrases("by hand", pairs, {scene.name: scene.source for scene in scenes})


@pytest.fixture(scope="module")
def agreement(scenes_encoder, deaf_encoder, wordings):
    return fp.ranking_agreement([scenes_encoder, deaf_encoder], wordings, k=K, layer=-1)


@pytest.fixture(scope="module")
def scores(scenes, scenes_encoder):
    """Return the score of each picture for each wording, one by one."""
    captions = [caption for both in WORDINGS for caption in both[:2]]
    table = [scenes_encoder.similarities(scene.image, captions) for scene in scenes]
    return np.array(table).reshape(PICTURES, len(WORDINGS), 2)


def by_hand(scores: np.ndarray) -> list[int]:
    return sorted(range(len(scores)), key=lambda number: (-scores[number], number))


def test_every_number_is_what_it_is_by_hand(agreement, scores):
    for pair in range(len(WORDINGS)):
        orders = [by_hand(scores[:, pair, wording]) for wording in (0, 1)]
        for wording in (0, 1):
            top, other = orders[wording][:K], orders[1 - wording]
            assert agreement.tops[0, pair, wording].tolist() == top
            assert agreement.scores[0, pair, wording] == pytest.approx(
                scores[top, pair, wording], abs=1e-6
            )
            places = [other.index(number) + 1 for number in top]
            assert agreement.other_places[0, pair, wording].tolist() == places
            others = scores[top, pair, 1 - wording]
            assert agreement.other_scores[0, pair, wording] == pytest.approx(others, abs=1e-6)
            own = WORDINGS[pair][3]
            place = 0 if own is None else orders[wording].index(own) + 1
            assert agreement.own_places[0, pair, wording] == place
        sets = [[set(order[:d]) for order in orders] for d in range(1, K + 1)]
        shares = [len(one & other) / d for d, (one, other) in enumerate(sets, 1)]
        assert agreement.average_overlap[0, pair] == pytest.approx(sum(shares) / K)
        one, other = sets[-1]
        assert agreement.jaccard[0, pair] == pytest.approx(len(one & other) / len(one | other))
        weighted = sum(0.1 * 0.9**d * share for d, share in enumerate(shares))
        assert agreement.rank_biased_overlap[0, pair] == pytest.approx(
            weighted + 0.9**K * shares[-1]
        )
    assert 0 < agreement.average_overlap[0].min() < agreement.average_overlap[0].max()


def test_the_table_has_means_intervals_by_query_and_chance(agreement):
    row = dict(zip(agreement.summary.columns, agreement.summary.rows[0], strict=True))
    values = agreement.average_overlap[0].tolist()
    mean = estimate(values, [0, 0, 1, 2, 3, 4])  # pairs without a group by their query
    assert row["AO@3"] == pytest.approx(np.mean(values)) == pytest.approx(mean.mean)
    assert row["AO@3 95 %"] == f"{mean.low:.3f}–{mean.high:.3f}"
    assert row["AO@3 chance"] == average_overlap_by_chance(K, PICTURES)
    assert row["JS@3 chance"] == jaccard_by_chance(K, PICTURES)
    assert row["RBO@3 chance"] == rank_biased_overlap_by_chance(K, PICTURES, 0.9)
    found = agreement.own_places[0, :5]
    assert row["recall@3 of queries"] == pytest.approx(np.mean(found[:, 0] <= K))
    assert row["of paraphrases"] == pytest.approx(np.mean(found[:, 1] <= K))
    text = str(agreement)
    assert f"{mean.mean:.3f}" in text
    assert text.startswith(
        "by hand: 6 pairs of wordings in 5 groups, 7 pictures, the first 3 compared."
    )


def test_a_model_to_which_both_wordings_are_one_agrees_wholly(agreement, wordings, deaf_encoder):
    pictures = {image.name: image.source for image in wordings.images}
    said_twice = Paraphrases(
        "", [Paraphrase("two trucks and a dog", "two trucks and a whale")], pictures
    )
    found = fp.ranking_agreement([*agreement.encoders], said_twice, k=K)
    for measure in ("average_overlap", "jaccard", "rank_biased_overlap"):
        hearing, deaf = getattr(found, measure)[:, 0]
        assert deaf == pytest.approx(1)
        assert hearing < 1
    rows = {row[0]: row[1:] for row in found.change().rows}
    assert rows["AO@3"][:3] == pytest.approx(
        (found.average_overlap[0, 0], 1, 1 - found.average_overlap[0, 0])
    )
    disagreement = found.disagreements(1, model=1)[0]
    assert disagreement.only_query == disagreement.only_paraphrase == ()
    assert "Both wordings score it alike" in disagreement.finding()
    assert found.models[0] != found.models[1]
    assert deaf_encoder is found.encoders[1]


def test_pairs_that_disagree_most_come_first_with_what_only_one_ranks(agreement, scores):
    found = agreement.disagreements(3)
    worst = np.argsort(agreement.average_overlap[0], kind="stable")[0]
    assert found[0].query == WORDINGS[worst][0]
    assert [each.average_overlap for each in found] == sorted(agreement.average_overlap[0])[:3]
    for each in found:
        pair = next(n for n, both in enumerate(WORDINGS) if both[1] == each.paraphrase)
        orders = [by_hand(scores[:, pair, wording]) for wording in (0, 1)]
        places = [[order.index(number) + 1 for order in orders] for number in range(PICTURES)]
        assert [one.number for one in each.tops[1]] == orders[1][:K]
        assert {one.number for one in each.only_query} == set(orders[0][:K]) - set(orders[1][:K])
        assert {one.number for one in each.only_paraphrase} == {*orders[1][:K]} - {*orders[0][:K]}
        for one in (*each.tops[0], *each.tops[1]):
            assert list(one.places) == places[one.number]
            assert one.scores == pytest.approx(scores[one.number, pair], abs=1e-6)
        shown = set(orders[0][:K]) | set(orders[1][:K])
        moved = max(abs(places[n][0] - places[n][1]) for n in shown)
        assert abs(each.picture().moved) == moved
    with pytest.raises(InputError, match="first 3 of either wording"):
        found[0].picture("nowhere")


def test_words_add_up_to_what_the_pairs_of_both_wordings_differ_by(agreement, scenes):
    disagreement = agreement.pair(0)
    chosen = disagreement.picture()
    shares = disagreement.words()
    encoder, image = agreement.encoders[0], scenes[chosen.number].image
    alone = [fp.attribute(encoder, image, caption, layer=-1) for caption in WORDINGS[0][:2]]

    def met(pairs, word):
        numbers = pairs.rows.find(word) if isinstance(word, str) else word
        return float(pairs.feature_rows(numbers).sum())

    by_words = {(share.words.query, share.words.paraphrase): share for share in shares}
    aligned = by_words["big", "large"]
    assert aligned.words.same
    assert aligned.value == pytest.approx(met(alone[0], "big") - met(alone[1], "large"), abs=1e-5)
    ball = by_words["ball", "ball"]
    assert ball.value == pytest.approx(met(alone[0], "ball") - met(alone[1], "ball"), abs=1e-5)
    content = [[n for n, token in enumerate(pairs.tokens) if not token.special] for pairs in alone]
    total = met(alone[0], content[0]) - met(alone[1], content[1])
    assert sum(share.value for share in shares) == pytest.approx(total, abs=1e-5)
    sign = np.sign(chosen.difference)
    assert [share.value for share in shares] == sorted(
        (share.value for share in shares), key=lambda value: -sign * value
    )
    explained = disagreement.pairs()
    assert explained is disagreement.pairs(chosen.name)
    assert explained.ledger.similarity == pytest.approx(chosen.difference, abs=1e-5)
    strongest = explained.of_rows(shares[0].features)
    assert float(strongest.sum()) == pytest.approx(shares[0].value, abs=1e-5)
    finding = disagreement.finding()
    assert f"“{chosen.name}” is " in finding
    assert f"{chosen.scores[0]:.3f}".replace("-", "−") in finding
    assert f"({abs(shares[0].value):.3f})" in finding
    assert shares[0].words.query in finding or shares[0].words.paraphrase in finding
    table = disagreement.contributions()
    assert table.rows[0][2] == shares[0].value


def test_words_are_stable_as_far_as_their_maps_are_alike(agreement, scenes):
    encoder = agreement.encoders[0]
    few = Paraphrases(
        "",
        [agreement.pairs[number] for number in (0, 1, 5)],
        {image.name: image.source for image in agreement.images},
    )
    found = fp.ranking_agreement(encoder, few, k=K, layer=-1).word_stability(None, progress=False)
    assert found.complete
    assert len(found.without_partner) == 3
    ours = [each for each in found.words if each.pair.paraphrase == WORDINGS[0][1]]
    assert {(each.words.query, each.words.paraphrase) for each in ours} >= {("big", "large")}
    assert {each.image for each in ours} == {scenes[0].name}  # the pair's own picture
    one, other = (
        fp.attribute(encoder, scenes[0].image, text, layer=-1) for text in WORDINGS[0][:2]
    )
    for each in ours:
        if each.words.query in ("big", "dog", "ball"):
            maps = one.of_tokens(each.words.query), other.of_tokens(each.words.paraphrase)
            correlation = np.corrcoef(maps[0].ravel(), maps[1].ravel())[0, 1]
            assert each.value == pytest.approx(correlation, abs=1e-4)
            rest = [
                np.corrcoef(maps[0].ravel(), other.row(n).ravel())[0, 1]
                for n, token in enumerate(other.tokens)
                if not token.special and token.text != each.words.paraphrase
            ]
            assert each.chance == pytest.approx(np.mean(rest), abs=1e-4)
    rows = {row[0]: row for row in found.table.rows}
    dogs = [each.value for each in found.words if each.words.query == "dog"]
    assert len(dogs) == 2
    assert rows["“dog”"][1:3] == pytest.approx((2, np.mean(dogs)))
    alone = [[str(words) for words in left] for _, left in found.without_partner]
    assert alone[-1] == ["“boat”", "“whale”", "“in”", "“the”", "“water”"]
    assert found.unpaired["“whale”"] == 1
    assert list(found.unpaired.values()) == sorted(found.unpaired.values(), reverse=True)
    assert len(agreement.word_stability(1, progress=False).without_partner) == 1
    frame = found.to_dataframe()
    assert len(frame) == len(found.words)


def test_an_interrupt_keeps_the_pairs_that_were_measured(agreement, monkeypatch):
    from fpattr_widget.retrieval import _stability

    measured, calls = _stability._measured, []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return measured(*arguments)

    monkeypatch.setattr(_stability, "_measured", interrupted)
    found = agreement.word_stability(None, progress=False)
    assert not found.complete
    assert len(found.without_partner) == 1
    assert "interrupted" in str(found)
    monkeypatch.setattr(
        _stability, "_measured", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        agreement.word_stability(1, progress=False)


def test_a_line_for_each_model_and_pair(agreement):
    frame = agreement.to_dataframe()
    assert len(frame) == 2 * len(WORDINGS)
    assert frame["average_overlap"].tolist() == agreement.average_overlap.ravel().tolist()
    first = frame.iloc[0]
    assert (first["own_picture"], first["query"]) == ("scene-0", WORDINGS[0][0])
    assert first["own_place_query"] == agreement.own_places[0, 0, 0]
    assert frame["own_picture"].isna().sum() == 2
    moved = agreement.pair(0).picture()
    assert (first["moved_picture"], first["moved_place_paraphrase"]) == (
        moved.name, moved.places[1],
    )  # fmt: skip


def test_a_model_that_reads_pictures_by_captions(scenes):
    llip = fp.load_encoder("llip")
    images = [scene.source for scene in scenes[:3]]
    queries, paraphrases = ["a dog", "two trucks"], ["a dog on grass", "a truck"]
    found = fp.ranking_agreement(llip, queries, paraphrases, images, k=2, layer=-1)
    for number, both in enumerate(zip(queries, paraphrases, strict=True)):
        for wording, caption in enumerate(both):
            by_image = [llip.similarity(image(), caption) for image in images]
            order = by_hand(np.array(by_image))[:2]
            assert found.tops[0, number, wording].tolist() == order
            assert found.scores[0, number, wording] == pytest.approx(
                np.array(by_image)[order], abs=1e-6
            )
    assert found.summary.columns[-1] == "RBO@2 chance"  # whose pictures they are is not known
    explained = found.disagreements(1)[0].pairs()
    difference = found.disagreements(1)[0].picture().difference
    assert explained.ledger.similarity == pytest.approx(difference, abs=1e-5)


def test_pictures_that_cannot_be_read_are_told_and_the_rest_is_ranked(
    scenes_encoder, scenes, tmp_path
):
    for number in (0, 1, 2):
        scenes[number].image.save(tmp_path / f"{number}.png")
    (tmp_path / "1.5.png").write_bytes(b"no picture")
    found = fp.ranking_agreement(scenes_encoder, ["a dog"], ["a cat"], tmp_path, k=3)
    assert [image.name for image in found.images] == ["0.png", "1.png", "2.png"]
    assert [(one.file, type(one)) for one in found.problems] == [("1.5.png", Problem)]
    assert "1 left out, first 1.5.png: " in str(found)
    alone = fp.ranking_agreement(scenes_encoder, ["a dog"], ["a cat"], [tmp_path / "0.png"], k=1)
    assert alone.average_overlap.tolist() == [[1]]
    assert alone.images[0].name == "0.png"
    assert alone.chance["average_overlap"] == 1
    with pytest.raises(InputError, match="there are 3 pictures that can be ranked"):
        fp.ranking_agreement(scenes_encoder, ["a dog"], ["a cat"], tmp_path, k=4)


def test_a_store_keeps_the_embeddings_of_each_model(
    scenes_encoder, deaf_encoder, wordings, agreement, tmp_path, monkeypatch
):
    models = [scenes_encoder, deaf_encoder]
    first = fp.ranking_agreement(models, wordings, k=K, store=tmp_path / "stores")
    assert sorted(path.name for path in (tmp_path / "stores").iterdir()) == [
        "scenes-2.npz",
        "scenes.npz",
    ]
    assert first.tops.tolist() == agreement.tops.tolist()
    monkeypatch.setattr(type(scenes_encoder.towers["image"]), "embed_and_count", None)
    monkeypatch.setattr(
        type(scenes_encoder.towers["text"]), "embed_and_count", Tower.embed_and_count
    )
    again = fp.ranking_agreement(models, wordings, k=K, store=tmp_path / "stores")
    assert again.scores.tolist() == first.scores.tolist()
    with pytest.raises(InputError, match="store"):
        fp.ranking_agreement(
            deaf_encoder, wordings, k=K, store=tmp_path / "stores"
        )  # the file of that name is another model's


def test_embeddings_are_ranked_as_they_are(scenes_encoder, deaf_encoder, scenes, tmp_path):
    for number in range(3):
        scenes[number].image.save(tmp_path / f"{number}.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    embeddings = scenes_encoder.embed_image(tmp_path, store=tmp_path / "it.npz")
    found = fp.ranking_agreement(scenes_encoder, ["a dog"], ["two trucks"], embeddings, k=3)
    same = fp.ranking_agreement(scenes_encoder, ["a dog"], ["two trucks"], tmp_path, k=3)
    assert found.tops.tolist() == same.tops.tolist()
    assert found.pair(0).standing() == same.pair(0).standing()
    assert [one.file for one in found.problems] == [one.file for one in same.problems]
    assert found.problems[0].file == "broken.png"
    assert found.pair(0).pairs().columns.panels[0].picture.size == scenes[0].image.size
    with pytest.raises(InputError) as refused:
        fp.ranking_agreement(deaf_encoder, ["a dog"], ["two trucks"], embeddings, k=3)
    assert refused.value.argument == "images"


def test_pictures_of_equal_scores_stand_in_their_order():
    scores = np.array([[0.2, 0.1], [0.5, 0.1], [0.2 + 1e-16, 0.3], [0.2, 0.1]])
    found = places_of(lambda captions: scores[:, captions], np.array([[0, 1]]), 4, 3, [3])
    assert found.tops.tolist() == [[[1, 0, 2], [2, 0, 1]]]
    assert found.other_places.tolist() == [[[3, 2, 1], [3, 2, 1]]]
    assert found.own.tolist() == [[4, 4]]


@pytest.mark.parametrize(
    ("arguments", "options", "argument", "words"),
    [
        ((["a", " "], ["b", "c"], ["x"]), {}, "queries", "at index 1"),
        ((["a", "b"], ["c", ""], ["x"]), {}, "paraphrases", "at index 1"),
        ((["a", "b"], ["c"], ["x"]), {}, "paraphrases", "has 1 entries"),
        ((["a"], None, ["x"]), {}, "paraphrases", "is missing"),
        (("a", ["b"], ["x"]), {}, "queries", "is one string"),
        (([], [], ["x"]), {}, "queries", "is empty"),
        ((["a"], ["b"], []), {}, "images", "is empty"),
        ((["a"], ["b"], ["x.png", Path("x.png")]), {}, "images", "twice"),
        ((["a"], ["b"], {}), {}, "images", "no pictures"),
        ((["a"], ["b"], ["a dog"]), {}, "images", "holds captions"),
        ((["a"], ["b"], "nowhere"), {}, "images", "no folder"),
        ((["a"], ["b"], ["x.png"]), {"k": 0}, "k", "is 0"),
        ((Paraphrases("", [Paraphrase("a", "b")]),), {}, "images", "no pictures"),
        ((Paraphrases("", [Paraphrase("a", "b")]), ["b"]), {}, "paraphrases", "beside a set"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_a_model_is_asked(
    arguments, options, argument, words
):
    with pytest.raises(InputError) as refused:
        fp.ranking_agreement("a model that is not there", *arguments, **options)
    assert refused.value.argument == argument
    assert words in str(refused.value)


def test_unknown_names_are_refused(agreement):
    for call, argument in (
        (lambda: agreement.values("overlap"), "measure"),
        (lambda: agreement.estimate(model="another"), "model"),
        (lambda: agreement.pair(99), "number"),
        (lambda: agreement.disagreements(-1), "number"),
    ):
        with pytest.raises(InputError) as refused:
            call()
        assert refused.value.argument == argument
    assert agreement.values(model=agreement.models[1]).tolist() == (
        agreement.average_overlap[1].tolist()
    )


def test_the_comparison_shows_both_rankings_and_says_what_was_found(agreement):
    disagreement = agreement.pair(5)
    view = disagreement.widget()
    shelves = view.gallery.shelves
    assert [shelf["title"] for shelf in shelves] == [
        "Query: “a boat”",
        "Paraphrase: “a whale in the water”",
    ]
    for wording, shelf in enumerate(shelves):
        for item, each in zip(shelf["items"], disagreement.tops[wording], strict=True):
            other = each.places[1 - wording]
            assert item["name"] == each.name
            assert item["score"] == each.scores[wording]
            assert item["marked"] == (other > K)
            assert item["note"].startswith("only here: ") == (other > K)
            assert item["note"].endswith(f"{ordinal(other)} for the other")
    first = disagreement.picture()
    ((shelf, item),) = view.gallery.chosen
    assert disagreement.tops[shelf][item].number == first.number == view.picture.number
    assert view.view.pairs is disagreement.pairs()
    assert view.finding == disagreement.standing()  # nothing is computed yet
    view.bake()
    assert view.finding == disagreement.finding()
    assert view.view.selected_rows == sorted(disagreement.words()[0].features)
    assert set(view.gallery.thumbnails) == {f"{a}/{b}" for a in (0, 1) for b in range(K)}
    other = next(each for each in disagreement.pictures if each.number != first.number)
    shelf = 0 if other.places[0] <= K else 1
    view.gallery.chosen = [[shelf, other.places[shelf] - 1]]
    assert view.view.pairs is disagreement.pairs(other.name)
    assert view.finding == disagreement.standing(other)
    assert f"“{other.name}” is " in view.children[0].value
    view.close()


def test_the_right_picture_is_noted_and_wordings_are_text(scenes_encoder, scenes):
    evil = "a dog <script>alert(1)</script>"
    images = {"<b>own": scenes[0].source, "<b>other": scenes[1].source}
    pairs = Paraphrases("<i>", [Paraphrase(evil, "a dog", "", scenes[0].source)], images)
    found = fp.ranking_agreement(scenes_encoder, pairs, k=2)
    view = found.disagreements(1)[0].widget()
    notes = {item["name"]: item["note"] for item in view.gallery.shelves[0]["items"]}
    assert notes["<b>own"].endswith(" · the right one")
    assert "right" not in notes["<b>other"]
    head = view.children[0].value
    assert "<b>" not in head
    assert "&lt;b&gt;o" in head
    view.close()
    shown = found._repr_html_()
    assert "<script>" not in shown
    assert "<i>" not in shown
    assert "&lt;script&gt;" in shown


def test_a_picture_that_is_gone_is_told_and_others_can_be_chosen(scenes_encoder, scenes, tmp_path):
    for number in (0, 1):
        scenes[number].image.save(tmp_path / f"{number}.png")
    found = fp.ranking_agreement(scenes_encoder, ["a dog"], ["two trucks"], tmp_path, 2, layer=-1)
    disagreement = found.pair(0)
    gone = disagreement.picture()
    (tmp_path / gone.name).unlink()
    view = disagreement.widget()
    assert view.view is None
    assert view.finding == disagreement.standing()
    shelf, item = next(
        (0, place) for place, each in enumerate(disagreement.tops[0]) if each.number != gone.number
    )
    view.gallery.chosen = [[shelf, item]]
    assert view.children[0].value.count("“1.png” is" if gone.name == "0.png" else "“0.png” is")
    view.bake()
    assert view.finding == disagreement.finding(view.picture)
    view.gallery.chosen = [[shelf, 1 - item]]  # the view stays as it was
    assert view.finding == disagreement.standing(gone)
    assert view.view.pairs is disagreement.pairs(1 - gone.number)
    view.close()


def test_titles_open_as_comparisons(agreement):
    shown = agreement.browse(2)
    assert len(shown.children) == 2
    assert f"AO@3 {agreement.disagreements(1)[0].average_overlap:.2f}" in shown.titles[0]
    assert shown.children[1].children == ()
    shown.selected_index = 1
    (view,) = shown.children[1].children
    assert view.disagreement.query == agreement.disagreements(2)[1].query
    view.close()


def test_it_is_written_as_tables(agreement, tmp_path):
    agreement.save(tmp_path / "it.csv")
    lines = list(csv.DictReader(io.StringIO((tmp_path / "it.csv").read_text(encoding="utf-8"))))
    assert [float(line["jaccard"]) for line in lines] == agreement.jaccard.ravel().tolist()
    agreement.save(tmp_path / "it.md")
    written = (tmp_path / "it.md").read_text(encoding="utf-8")
    assert agreement.summary.to_markdown() in written
    assert f"{agreement.disagreements(1)[0].average_overlap:.3f}" in written
    with pytest.raises(InputError):
        agreement.save(tmp_path / "it.txt")


def test_a_page_explains_the_pictures_that_move_most(scenes_encoder, scenes, tmp_path):
    images = {"one": scenes[0].source, "other": scenes[1].source}
    pairs = Paraphrases(
        "", [Paraphrase("a dog", "two trucks <b>")], images, [Problem("f", "", "p")]
    )
    found = fp.ranking_agreement(scenes_encoder, pairs, k=1, layer=-1)
    found.save(tmp_path / "it.html")
    page = (tmp_path / "it.html").read_text(encoding="utf-8")
    (worst,) = found.disagreements()
    assert html.escape(worst.finding()) in page
    assert page.count("data-fpattr-gallery>") == 1
    # What opens is what stands on either shelf, and each picture is explained once.
    keys = re.findall('data-explains="([^"]+)"', page)
    assert sorted(key for several in keys for key in several.split(",")) == ["0/0", "1/0"]
    assert len(keys) == len(worst.pictures)
    assert "<b>" not in page
    assert "Left out: f: p." in page


def test_the_command_line_tells_and_writes_what_python_measures(scenes, tmp_path, capsys):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        scenes[number].image.save(folder / f"{number}.png")
    (folder / "3.png").write_bytes(b"no picture")
    pairs = tmp_path / "pairs.csv"
    pairs.write_text(
        "query,paraphrase,image\ntwo trucks,a whale,1.png\n,a cat,0.png\na dog,a cat,2.png\n"
    )
    arguments = [str(pairs), str(folder), "--model", "scenes", "-k", "2"]
    with pytest.warns(UserWarning, match="line 3"):
        assert main(["agree", *arguments, "-o", str(tmp_path / "it.md")]) == 0
    printed = capsys.readouterr()
    with pytest.warns(UserWarning, match="line 3"):
        table = fp.datasets.paraphrase_table(pairs, folder)
    expected = fp.ranking_agreement("scenes", table, images=folder, k=2)
    assert printed.out == f"{expected}\n"
    assert "2 left out, first pairs.csv, line 3: query is empty" in printed.out
    assert expected.own_places.shape == (1, 2, 2)
    assert expected.own_places.all()
    assert expected.summary.to_markdown() in (tmp_path / "it.md").read_text(encoding="utf-8")
    assert main(["agree", str(tmp_path / "none.csv"), str(folder)]) == 2
    assert main(["agree", *arguments[:2], "-o", "it.txt"]) == 2
    assert "`--output`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "words"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (11, "11th"), (112, "112th"), (1021, "1,021st")],
)
def test_places_in_words(number, words):
    assert ordinal(number) == words
