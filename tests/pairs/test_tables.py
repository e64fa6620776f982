"""Pairs as data frames and labelled arrays: each number with the features that it belongs to."""

import numpy as np
import pandas
import pytest
import xarray

import fpattr_widget as fp
from fpattr_widget.pairs import title_of
from tests.helpers.any_sides import COMBINATIONS, SIDES, combined, pairs_of_sides

#: A caption and a picture keep the columns that they always had.
OF_TWO_KINDS = ["token", "text", "feature", "row", "column", "attribution"]
NAMES = ["part", "weight", "kind", "feature", "label"]
PLACES = {"sentence": ["start", "stop"], "picture": ["grid_row", "grid_column"]}


def looked_up(side, name: str, frame: pandas.DataFrame) -> None:
    """Compare a side's columns with its features."""
    features = [side.features[number] for number in frame[f"{name}_feature"]]
    for line, feature in zip(frame.to_dict("records"), features, strict=True):
        panel = side.panels[feature.part]
        said = [line[f"{name}_{key}"] for key in ("part", "weight", "kind", "label")]
        assert said == [feature.part, side.weights[feature.part], panel.kind, feature.label]
        for kind, keys in PLACES.items():
            if kind in side.kinds:
                place = feature.place if panel.kind == kind else None
                assert tuple(line[f"{name}_{key}"] for key in keys) == (place or (-1, -1))


@pytest.mark.parametrize(("rows", "columns"), COMBINATIONS)
def test_each_line_names_both_features(rows, columns):
    pairs = combined(rows, columns)
    frame, values = pairs.to_dataframe(), pairs.feature_rows(range(len(pairs.rows.features)))
    assert len(frame) == values.size
    np.testing.assert_array_equal(frame.attribution, values.ravel())
    assert frame.attrs["unit_label"] == pairs.unit_label
    assert frame.attrs["nodes"] == "4 nodes"
    if (rows, columns) == ("caption", "picture"):
        assert list(frame) == OF_TWO_KINDS
        assert frame.attrs["caption"] == "a dog runs"
        tokens, positions = pairs.tokens, pairs.columns.features
        for number, line in enumerate(frame.itertuples(index=False)):
            token, position = divmod(number, len(positions))
            feature = positions[position]
            assert (line.token, line.text) == (token, tokens[token].text)
            assert (line.feature, (line.row, line.column)) == (
                feature.label,
                feature.place or (-1, -1),
            )
        return
    expected = []
    for name, side in (("row", pairs.rows), ("column", pairs.columns)):
        places = [key for kind in PLACES if kind in side.kinds for key in PLACES[kind]]
        expected += [f"{name}_{key}" for key in (*NAMES, *places)]
        looked_up(side, name, frame)
        assert frame.attrs[f"{name}_weights"] == list(side.weights)
    assert list(frame) == [*expected, "attribution"]
    table = frame.pivot(index="row_feature", columns="column_feature", values="attribution")
    np.testing.assert_array_equal(table, values)


def test_texts_are_whole():
    """Also those that end in a null character."""
    side = SIDES["caption"]
    token = fp.Token("dog\0", 0, 2, 5, False)
    (panel,) = side.panels
    odd = type(side)((type(panel)("a dog", (token,)),))
    for columns in (SIDES["picture"], SIDES["other caption"]):
        frame = pairs_of_sides(odd, columns).to_dataframe()
        assert set(frame["text" if "text" in frame else "row_label"]) == {"dog\0"}


AXES = {
    ("caption", "picture"): ("token", "row", "column"),
    ("captions", "picture"): ("row_feature", "column_grid_row", "column_grid_column"),
    ("captions", "pictures"): ("row_feature", "column_feature"),
    ("caption", "other caption"): ("row_feature", "column_feature"),
    ("picture", "other picture"): (
        "row_grid_row", "row_grid_column", "column_grid_row", "column_grid_column",
    ),
    ("mixed", "picture"): ("row_feature", "column_grid_row", "column_grid_column"),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "columns"), AXES)
def test_arrays_have_named_axes_and_go_to_netcdf(rows, columns, tmp_path):
    pairs = combined(rows, columns)
    array = pairs.to_xarray()
    assert array.dims == AXES[rows, columns]
    np.testing.assert_array_equal(array.values.reshape(pairs.matrix.shape), pairs.matrix)
    assert array.attrs == pairs.to_dataframe().attrs
    for name, side in (("row", pairs.rows), ("column", pairs.columns)):
        if f"{name}_feature" in array.dims:
            assert list(array[f"{name}_feature"].values) == list(side.visible)
            labels = [side.features[number].label for number in side.visible]
            assert list(array[f"{name}_label"].values) == labels
            parts = [side.features[number].part for number in side.visible]
            assert list(array[f"{name}_part"].values) == parts
            assert set(array[f"{name}_weight"].values) == set(side.weights)
    array.to_netcdf(tmp_path / "x.nc")
    with xarray.open_dataarray(tmp_path / "x.nc") as again:
        np.testing.assert_array_equal(again.values, array.values)
        assert again.attrs["unit_label"] == pairs.unit_label
        if rows != "caption":
            assert np.atleast_1d(again.attrs["row_weights"]).tolist() == list(pairs.rows.weights)
    if (rows, columns) == ("picture", "other picture"):
        assert array.shape == (2, 3, 3, 2)
        assert array[1, 2, 0, 1] == pairs.feature_rows([6])[0, 1]


def test_what_is_explained_is_said_in_words():
    assert combined("captions", "picture").to_dataframe().attrs["row_inputs"] == (
        "“a dog runs” − “a cat runs”"
    )
    attrs = combined("mixed", "pictures").to_dataframe().attrs
    assert attrs["row_inputs"] == "0.7 · “a dog runs” − 0.333 · picture"
    assert attrs["column_inputs"] == "picture 1 − picture 2"
    titles = {
        ("caption", "picture"): "a dog runs",
        ("captions", "picture"): "“a dog runs” − “a cat runs”",
        ("caption", "other caption"): "“a dog runs” × “a small puppy”",
        ("caption", "pictures"): "“a dog runs” × (picture 1 − picture 2)",
        ("picture", "other picture"): "picture × picture",
        ("mixed", "picture"): "(0.7 · “a dog runs” − 0.333 · picture) × picture",
    }
    for (rows, columns), title in titles.items():
        assert title_of(SIDES[rows], SIDES[columns]) == title
    many = type(SIDES["caption"])(SIDES["templates"].panels * 20, (-0.05,) * 60)
    assert title_of(many, SIDES["picture"]) == (
        "− 0.05 · “a dog” − 0.05 · “b dog” − 0.05 · “c dog” … (60 inputs)"
    )
