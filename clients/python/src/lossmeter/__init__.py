"""Client of Lossmeter: cross-entropy over HTTP, with causes of non-finite losses.

>>> import lossmeter
>>> client = lossmeter.Client()
>>> print(client.cross_entropy([[1.0, 2.0, 3.0]], [2]))
loss 0.407606 over 1 of 1 rows: the loss is finite
"""

from lossmeter._version import __version__
from lossmeter.client import Client
from lossmeter.comparison import Comparison
from lossmeter.errors import (
    LossmeterError,
    NonFiniteLossError,
    ProblemError,
    UnexpectedAnswerError,
    UnreachableError,
)
from lossmeter.evaluation import Evaluation, RecordedPair
from lossmeter.events import DeletedEvent, Event, RunEvent, StepEvent
from lossmeter.explanation import Explanation, NonFiniteStepError
from lossmeter.monitor import Monitor
from lossmeter.request import Partial
from lossmeter.runs import Run

__all__ = [
    "Client",
    "Comparison",
    "DeletedEvent",
    "Evaluation",
    "Event",
    "Explanation",
    "LossmeterError",
    "Monitor",
    "NonFiniteLossError",
    "NonFiniteStepError",
    "Partial",
    "ProblemError",
    "RecordedPair",
    "Run",
    "RunEvent",
    "StepEvent",
    "UnexpectedAnswerError",
    "UnreachableError",
    "__version__",
]
