"""EfficientNet-Lite, trained on ImageNet, as the image tower of an ALIGN.

EfficientNet-Lite differs from what ``AlignVisionModel`` builds in three things, and each is a
matter of configuration and weights:

- its activation is ReLU6;
- it has no squeeze-and-excitation: here the gate's weights are 0 and its bias 30, which makes
  the sigmoid exactly 1;
- it has a head: a 1 × 1 convolution, batch norm and ReLU6, then the mean over the cells, then
  the classifier. Here the head is one more block, whose depthwise part is the identity, and
  whose last convolution projects to the shared space, which commutes with the mean.

TensorFlow pads right and below alone, so that a cell lies above and left of what it tells of. One
strided convolution is padded on all sides here, which moves all cells by a quarter of their size.

One block more adds kinds. Trained to tell 118 breeds of dogs apart, a classifier that is sure of
the breed says no more of dogs than of anything else: no direction of its features is "dog". So
each class has a unit. It is active where the class is seen, and adds the kinds of the class.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AlignVisionConfig, AlignVisionModel

#: Even sides at every stride, as TensorFlow pads; 9 × 9 cells.
IMAGE_SIZE = 288

#: How much the content of a cell lowers the score of every named thing, and the scale of that
#: dimension in pictures; chosen on collages.
_AGAINST = 0.15
_CONTENT_SCALE = 0.45
#: Directions in which a grey picture differs from the mean, and which say nothing of classes.
_GREY_DIRECTIONS = 4

#: A kind has at least so many classes.
_SMALLEST_KIND = 6
#: From which response on a class adds its kinds, how strongly, and how far kinds are kept apart;
#: chosen on collages.
_KINDS_FROM = 1.5
_KINDS_STRENGTH = 0.3
_KINDS_RIDGE = 3.0
#: Units of the block that adds kinds, for each dimension: it has the head's expansion.
_EXPANSION = 4

#: Which of the strided convolutions is padded on all sides; chosen on cut-outs.
_CENTRED = 2

_OPEN_GATE = 30.0  # the sigmoid of it is 1 in float32
_SAMPLES = 20_000


@dataclass(frozen=True)
class Classifier:
    """What an ImageNet classifier makes of its last features.

    Attributes
    ----------
    weights
        Of the classifier, one vector for each class, ``(classes, features)``.
    mean
        The features' mean over ImageNet, as the head's batch norm knows it, ``(features,)``.
    grey
        The features of a picture in the mean colour, ``(cells, features)``.
    """

    weights: Tensor
    mean: Tensor
    grey: Tensor


@dataclass(frozen=True)
class SharedSpace:
    """The space in which pictures and classes are compared.

    All dimensions but the last tell classes apart. The last one is content: how far a picture
    differs from a grey one as the average picture does.

    Attributes
    ----------
    projection
        From features to the shared space, ``(dimensions, features)``.
    zero
        What is subtracted after the projection, ``(dimensions,)``: the mean over ImageNet, in the
        last dimension the mean of a grey picture.
    classes
        A unit vector for each class, ``(classes, dimensions - 1)``.
    content
        Value of every class in the last dimension. It is negative, because most of what a
        picture shows is not the class.
    kinds
        Vector that is added to a cell in which a class is seen, ``(classes, dimensions - 1)``;
        0 for a class that belongs to no kind.
    """

    projection: Tensor
    zero: Tensor
    classes: Tensor
    content: float
    kinds: Tensor

    def responses(self, embeddings: Tensor) -> Tensor:
        """Return how much of each class there is, ``(..., classes)``."""
        return embeddings[..., :-1] @ self.classes.T + self.content * embeddings[..., -1:]

    def with_kinds(self, embeddings: Tensor) -> Tensor:
        """Return embeddings of cells, ``(..., dimensions)``, with their kinds added."""
        seen = (self.responses(embeddings) - _KINDS_FROM).clamp(0, 6)
        return embeddings + nn.functional.pad(seen @ self.kinds, (0, 1))


def read_classifier(network: Any) -> Classifier:
    """Return what the classifier ``efficientnet_lite_pytorch.EfficientNet`` makes of features."""
    norm = network._bn1
    # A channel is about normal before the ReLU6: its mean is the norm's bias, its deviation
    # the norm's weight.
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(_SAMPLES, len(norm.weight), generator=generator)
    features = (drawn * norm.weight.detach().abs() + norm.bias.detach()).clamp(0, 6)
    with torch.no_grad():
        grey = network.extract_features(torch.zeros(1, 3, IMAGE_SIZE, IMAGE_SIZE))
    return Classifier(
        network._fc.weight.detach(), features.mean(0), grey[0].flatten(1).T.contiguous()
    )


def shared_space(
    classifier: Classifier, kinds: Iterable[Sequence[int]], dimensions: int
) -> SharedSpace:
    """Return the space in which the classes differ most.

    Its class dimensions are the leading singular vectors of the classifier's weights, after
    their mean and the directions in which a grey picture differs from the average one have been
    taken off. So the average picture is evidence for no class and against none, and a grey one
    is evidence of nothing at all.

    Parameters
    ----------
    classifier
        Weights, mean and grey features.
    kinds
        The classes of each kind. Small ones are left out.
    dimensions
        Of the shared space, content included.
    """
    weights = classifier.weights - classifier.weights.mean(0)
    differences = classifier.grey - classifier.mean
    grey = torch.linalg.svd(differences, full_matrices=False).Vh[:_GREY_DIRECTIONS]
    weights = weights - weights @ grey.T @ grey
    of_classes = torch.linalg.svd(weights, full_matrices=False).Vh[: dimensions - 1]
    content = _CONTENT_SCALE * nn.functional.normalize(-differences.mean(0), dim=0)
    classes = nn.functional.normalize(weights @ of_classes.T, dim=1)
    return SharedSpace(
        torch.cat([of_classes, content[None]]),
        torch.cat([of_classes @ classifier.mean, content[None] @ classifier.grey.mean(0)]),
        classes,
        -_AGAINST / _CONTENT_SCALE,
        _kinds_of_classes(
            classes,
            [kind for kind in kinds if len(kind) >= _SMALLEST_KIND],
            _EXPANSION * dimensions,
        ),
    )


def _kinds_of_classes(classes: Tensor, kinds: Sequence[Sequence[int]], units: int) -> Tensor:
    """Return the vector that each class adds: its own kinds respond to it, and no others.

    At most ``units`` classes add anything; those with the shortest vectors are left out.
    """
    belongs = torch.zeros(len(classes), len(kinds))
    for column, members in enumerate(kinds):
        belongs[list(members), column] = 1
    vectors = nn.functional.normalize(belongs.T @ classes, dim=1)
    gram = vectors @ vectors.T + _KINDS_RIDGE * torch.eye(len(kinds))
    added = _KINDS_STRENGTH * belongs @ torch.linalg.solve(gram, vectors)
    least = added.norm(dim=1).argsort()[: max(0, len(added) - units)]
    return added.index_fill(0, least, 0)


def centre_cells(network: Any) -> int:
    """Let a classifier's cells lie where their evidence is; return the block that is changed."""
    strided = [
        index for index, block in enumerate(network._blocks) if block._depthwise_conv.stride[0] == 2
    ]
    convolution = network._blocks[strided[_CENTRED]]._depthwise_conv
    _, right, _, below = convolution.static_padding.padding
    convolution.static_padding = nn.ZeroPad2d((right, right, below, below))
    return strided[_CENTRED]


def image_tower(
    network: Any, space: SharedSpace, width: int, *, centred: Sequence[int] = ()
) -> Any:
    """Return an ``AlignVisionModel`` with a classifier's weights.

    Parameters
    ----------
    network
        An ``efficientnet_lite_pytorch.EfficientNet`` in evaluation mode.
    space
        Where its features are projected to.
    width
        Dimensions of the embeddings; those beyond the space's are 0 for every picture.
    centred
        Blocks that :func:`centre_cells` has changed.
    """
    stages = _stages(network)
    last = stages[-1][1]
    config = AlignVisionConfig(
        num_channels=3,
        image_size=IMAGE_SIZE,
        width_coefficient=1.0,
        depth_coefficient=1.0,
        depth_divisor=8,
        in_channels=[*(stage[0] for stage in stages), last],
        out_channels=[*(stage[1] for stage in stages), width],
        kernel_sizes=[*(stage[2] for stage in stages), 1],
        strides=[*(stage[3] for stage in stages), 1],
        num_block_repeats=[*(stage[5] for stage in stages), 2],
        expand_ratios=[*(stage[4] for stage in stages), _EXPANSION],
        depthwise_padding=list(centred),
        squeeze_expansion_ratio=1 / 256,
        hidden_act="relu6",
        hidden_dim=width,
        pooling_type="mean",
        batch_norm_eps=network._bn1.eps,
    )
    model: Any = AlignVisionModel(config).eval()
    with torch.no_grad():
        _fill_blocks(model, network)
        _fill_head(model.encoder.blocks[-2], network, space)
        _fill_kinds(model.encoder.blocks[-1], space)
    return model


def _stages(network: Any) -> list[list[int]]:
    """Return input and output channels, kernel, stride, expansion and repeats of each stage."""
    stages: list[list[int]] = []
    for block in network._blocks:
        settings = block._block_args
        stride = settings.stride
        stride = stride if isinstance(stride, int) else stride[0]
        row = [settings.input_filters, settings.output_filters, settings.kernel_size, stride]
        repeated = stages and row == [stages[-1][1], stages[-1][1], stages[-1][2], 1]
        if repeated:
            stages[-1][5] += 1
        else:
            stages.append([*row, settings.expand_ratio, 1])
    return stages


def _fill_blocks(model: Any, network: Any) -> None:
    model.embeddings.convolution.weight.copy_(network._conv_stem.weight)
    model.embeddings.batchnorm.load_state_dict(network._bn0.state_dict())
    for block, source in zip(model.encoder.blocks, network._blocks, strict=False):
        if block.expand:
            block.expansion.expand_conv.weight.copy_(source._expand_conv.weight)
            block.expansion.expand_bn.load_state_dict(source._bn0.state_dict())
        block.depthwise_conv.depthwise_conv.weight.copy_(source._depthwise_conv.weight)
        block.depthwise_conv.depthwise_norm.load_state_dict(source._bn1.state_dict())
        block.projection.project_conv.weight.copy_(source._project_conv.weight)
        block.projection.project_bn.load_state_dict(source._bn2.state_dict())
    for block in model.encoder.blocks:
        gate = block.squeeze_excite
        for weights in (gate.reduce.weight, gate.reduce.bias, gate.expand.weight):
            weights.zero_()
        gate.expand.bias.fill_(_OPEN_GATE)


def _fill_head(block: Any, network: Any, space: SharedSpace) -> None:
    """Make a block of the classifier's head and the projection to the shared space."""
    norm, features = block.expansion.expand_bn, network._conv_head.out_channels
    _make_pointwise(block)
    block.expansion.expand_conv.weight[:features] = network._conv_head.weight
    for name in ("weight", "bias", "running_mean", "running_var"):
        getattr(norm, name)[:features] = getattr(network._bn1, name)
    dimensions = len(space.projection)
    block.projection.project_conv.weight[:dimensions, :features, 0, 0] = space.projection
    block.projection.project_bn.bias[:dimensions] = -space.zero


def _fill_kinds(block: Any, space: SharedSpace) -> None:
    """Make a block that adds to each cell the kinds of the classes that are seen there."""
    (classes,) = space.kinds.any(1).nonzero(as_tuple=True)
    units, dimensions = len(classes), len(space.projection)
    _make_pointwise(block)
    expand, project = block.expansion.expand_conv.weight, block.projection.project_conv.weight
    expand[:units, : dimensions - 1, 0, 0] = space.classes[classes]
    expand[:units, dimensions - 1] = space.content
    block.expansion.expand_bn.bias[:units] = -_KINDS_FROM
    project[: dimensions - 1, :units, 0, 0] = space.kinds[classes].T


def _make_pointwise(block: Any) -> None:
    """Let a block's depthwise part and norms be the identity, and its convolutions 0."""
    block.expansion.expand_conv.weight.zero_()
    block.projection.project_conv.weight.zero_()
    # ReLU6 twice is ReLU6 once.
    block.depthwise_conv.depthwise_conv.weight.fill_(1)
    for norm in (
        block.expansion.expand_bn,
        block.depthwise_conv.depthwise_norm,
        block.projection.project_bn,
    ):
        _make_identity(norm)


def _make_identity(norm: Any) -> None:
    norm.weight.fill_(1)
    norm.bias.zero_()
    norm.running_mean.zero_()
    norm.running_var.fill_(1 - norm.eps)


def largest_difference(model: Any, network: Any, space: SharedSpace) -> float:
    """Return how far an image tower is from its classifier.

    Compared are, over two pictures of noise, the cells before kinds are added with the
    classifier's features, projected, and the embeddings with those cells' and their kinds.

    Returns
    -------
    float
        The largest difference, relative to the largest number.
    """
    generator = torch.Generator().manual_seed(1)
    pictures = torch.randn(2, 3, IMAGE_SIZE, IMAGE_SIZE, generator=generator)
    cells: list[Tensor] = []
    hook = model.encoder.blocks[-2].register_forward_hook(lambda *call: cells.append(call[-1]))
    with torch.no_grad():
        found = model(pictures).pooler_output
        features = network.extract_features(pictures).flatten(2).mT
    hook.remove()
    dimensions = len(space.projection)
    expected = features @ space.projection.T - space.zero
    differences = (
        cells[0].flatten(2).mT[..., :dimensions] - expected,
        found[:, :dimensions] - space.with_kinds(expected).mean(1),
        found[:, dimensions:],
    )
    return max(float(one.abs().max()) for one in differences) / float(expected.abs().max())
