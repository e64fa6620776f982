"""The model card."""

from ._captions import CaptionWriter
from ._image_tower import IMAGE_SIZE
from ._lexicon import Lexicon
from ._sources import SOURCES

_CARD = """---
license: apache-2.0
library_name: transformers
pipeline_tag: zero-shot-image-classification
tags: [align, efficientnet-lite, interpretability]
---

# A small dual encoder for photographs

An ordinary `AlignModel` that ships with `fpattr_widget`, as something to look at and to try
attributions on: it loads at once, and knows {classes:,} kinds of things by {names:,} names, of
{words:,} words. It is no rival of a CLIP.

- **Image tower**: EfficientNet-Lite2 as Google trained it on ImageNet-1k, written exactly as an
  `AlignVisionModel`. Its last convolution projects to the directions in which the classes differ,
  and takes off the mean over ImageNet. A block that was computed, not trained, adds kinds: where a
  breed is seen, a dog is. Pictures are squeezed to {size} × {size} pixels, {cells} × {cells} cells.
- **Text tower**: two layers, trained onto the classifier's weights on written captions alone: what
  a caption means is the sum of what its words name. No picture and no box was in any loss.
- **Zero** is a grey picture, or a caption that names nothing. A picture of something else speaks a
  little against a word.
- **Probabilities**: cosines are divided by the temperature 1/18, the most likely one for the names
  of 60 photographs of 53 kinds of things, none of which is shipped.

Made by `python -m fpattr_widget.training.photographs`; `training.json` tells what made these
weights.

## What it knows

ImageNet's classes by all their lemmas, what is above them in WordNet (dog, bird, vehicle, fruit,
furniture, tool, building), much of what is below, plurals, and everyday words. Of dogs in general
it knows those breeds that are seen most often. Captions may name one to four things in any order.

## What it does not know

- **Colours, sizes, actions, people, places and every word that is not in its vocabulary**: they
  mean nothing to it, and are marked as unknown.
- **Relations and numbers**: "on", "under", "two" are filler. "A dog chases a cat" is to it what "a
  cat chases a dog" is.
- **What ImageNet does not have**: there is no cow but the ox, no horse but the sorrel, no deer, no
  rose, and of fruit, vegetables, plants and buildings only some.
- **Several meanings**: "crane" is the bird and the machine, "mouse" the computer's.
- Pictures that are no photographs: charts, scans, screenshots, drawings.

ImageNet's labels, which are known to be biased and partly wrong, are all that it has learned from.
Use it to learn and to teach, not to decide.

## Sources

| package | version | licence | for |
| --- | --- | --- | --- |
{sources}

These weights are under the Apache License 2.0, as their source is. WordNet 3.1 is © Princeton
University, under the WordNet License.
"""


def card(lexicon: Lexicon, writer: CaptionWriter) -> str:
    """Return the model card, in Markdown."""
    sources = "\n".join(
        f"| `{package.name}` ({package.registry}) | {package.version} | {licence} | {use} |"
        for package, (licence, use) in SOURCES.items()
    )
    return _CARD.format(
        classes=len(lexicon.class_names),
        names=len(writer.phrases),
        words=len(writer.vocabulary),
        size=IMAGE_SIZE,
        cells=IMAGE_SIZE // 32,
        sources=sources,
    )
