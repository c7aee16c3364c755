"""A batch, and the body that it is sent as."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lossmeter import wire_json
from lossmeter.arrays import as_array
from lossmeter.body import tensors_body

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from lossmeter.body import Body
    from lossmeter.schemas import Options


@dataclass(frozen=True, slots=True)
class Batch:
    """What is evaluated; see `Client.cross_entropy`."""

    logits: ArrayLike
    label: ArrayLike | None
    input_mask: ArrayLike | None
    weight: ArrayLike | None
    options: Options

    def body(self, **fields: int) -> Body:
        """The batch as the service reads it while it arrives: the logits last.

        Args:
            **fields: What goes along that is no tensor.

        Raises:
            TypeError: No array, or a dtype that the service does not know; an option
                that has no place in JSON.
            ValueError: An option that is not finite.
        """
        given = {
            "label": self.label,
            "weight": self.weight,
            "input_mask": self.input_mask,
            "logits": self.logits,
        }
        tensors = {name: _array(name, x) for name, x in given.items() if x is not None}
        metadata = {
            name: wire_json.dumps(name, value) for name, value in fields.items()
        }
        metadata["options"] = wire_json.dumps("options", without_none(self.options))
        return tensors_body(tensors, metadata)


def _array(name: str, value: ArrayLike) -> NDArray[Any]:
    try:
        return as_array(value)
    except (TypeError, ValueError) as cause:
        raise TypeError(f"{name} is no array that can be sent: {cause}") from cause


def without_none(options: Options) -> dict[str, object]:
    """Options but for those that are None, which are left to the service."""
    return {name: value for name, value in options.items() if value is not None}
