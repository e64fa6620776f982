"""Notebooks that are not Jupyter's."""

MARIMO = """
import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo
    import fpattr_widget as fp
    from fpattr_widget.scenes import example
    scene = example("dog-and-ball")
    return fp, mo, scene


@app.cell
def _(fp, scene):
    fp.explain(scene.image, scene.caption, model="scenes")
    return


@app.cell
def _(fp, mo, scene):
    widget = mo.ui.anywidget(fp.explain(scene.image, scene.caption, model="scenes"))
    widget
    return (widget,)


@app.cell
def _(mo, widget):
    mo.md("Python has " + f"{widget.selected_tokens} {widget.selected_patches}")
    return


if __name__ == "__main__":
    app.run()
"""
