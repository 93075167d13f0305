"""Copies of an encoder that are changed, and which of their parameters are trained."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, TypeVar, cast

from torch import nn

from unlearn.config import FineTuneConfig
from unlearn.errors import ConfigError
from unlearn.models.encoders import Encoder

AnyEncoder = TypeVar("AnyEncoder", bound=Encoder)

NORM_LAYERS = (
    nn.LayerNorm,
    nn.GroupNorm,
    nn.modules.batchnorm._BatchNorm,
    nn.modules.instancenorm._InstanceNorm,
    nn.RMSNorm,
)


def student_of(teacher: AnyEncoder) -> AnyEncoder:
    """A copy that shares no tensor with the teacher, in eval mode, without gradients."""
    student: Any = copy.deepcopy(teacher)
    student.eval().requires_grad_(False)  # eval: norm statistics stay, no dropout
    return cast(AnyEncoder, student)


def trainable_parameters(student: Encoder, config: FineTuneConfig) -> list[nn.Parameter]:
    """Turn on the gradients of the parameters that are trained, which are all but those of norm layers, and return them.

    Raises:
        ConfigError: there are none.
    """
    scope = student.blocks if config.trainable == "blocks" else student
    frozen = {id(parameter) for parameter in norm_parameters(scope)}
    trained = [p for p in scope.parameters() if id(p) not in frozen and p.is_floating_point()]
    if not trained:
        raise ConfigError(f"The encoder has no parameters to train under trainable={config.trainable!r}.")
    for parameter in trained:
        parameter.requires_grad_(True)
    return trained


def norm_parameters(encoder: Encoder | nn.Module) -> Iterator[nn.Parameter]:
    """The parameters of all norm layers, which are not trained."""
    for module in encoder.modules():
        if isinstance(module, NORM_LAYERS):
            yield from module.parameters(recurse=False)
