"""A batch, and its request body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lossmeter import wire_json
from lossmeter.arrays import as_named_array
from lossmeter.body import tensors_body

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from lossmeter.body import Body
    from lossmeter.schemas import Options


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch to evaluate; see `Client.cross_entropy`."""

    logits: ArrayLike
    label: ArrayLike | None
    input_mask: ArrayLike | None
    weight: ArrayLike | None
    options: Options
    segments: ArrayLike | None = None
    bytes: ArrayLike | None = None
    words: ArrayLike | None = None

    def body(self, **fields: float | str) -> Body:
        """Makes the request body, logits last, so that the service can stream them.

        Args:
            **fields: Numbers and texts that are sent in addition to the tensors.

        Raises:
            TypeError: A value is not an array, or has an unknown dtype; an option
                cannot be written as JSON.
            ValueError: An option that is not finite.
        """
        given = {
            "label": self.label,
            "weight": self.weight,
            "input_mask": self.input_mask,
            "segments": self.segments,
            "bytes": self.bytes,
            "words": self.words,
            "logits": self.logits,
        }
        tensors = {
            name: as_named_array(name, value)
            for name, value in given.items()
            if value is not None
        }
        metadata = {
            name: wire_json.dumps(name, value) for name, value in fields.items()
        }
        metadata["options"] = wire_json.dumps("options", without_none(self.options))
        return tensors_body(tensors, metadata)


def without_none(options: Options) -> dict[str, object]:
    """Options without those that are None, which have the service's defaults."""
    return {name: value for name, value in options.items() if value is not None}
