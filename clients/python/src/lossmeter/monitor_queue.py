"""The bounded queue of a monitor, and its counts."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from lossmeter.monitor_items import MOST_ITEMS, MOST_SCALARS, scalars_of

if TYPE_CHECKING:
    from lossmeter.explanation import Explanation
    from lossmeter.monitor_items import Flagged, Item

_MOST_EXPLANATIONS = 100


class Queue:
    """Items and logits that wait.

    The training thread puts them in, under a lock that the sending thread does not
    take: each thread writes its own counters. So a signal handler, which may interrupt
    the training thread anywhere, can wait for the sending thread.

    Attributes:
        flagged: Steps whose logits wait.
        explanations: Explanations for the next return of `Monitor.step`.
        untold: Explanations that are not logged yet.
        invalid_because: Reason why a step or a scalar was invalid.
        sent: Number of recorded items.
        refused: Number of refused items.
        divided: Number of additional items, made by dividing items.
        closed: True when further items are dropped.
    """

    def __init__(self, max_items: int, max_bytes: int) -> None:
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._lock = threading.RLock()
        self._items: deque[Item] = deque()
        self.flagged: deque[Flagged] = deque()
        self.explanations: deque[Explanation] = deque(maxlen=_MOST_EXPLANATIONS)
        self.untold: deque[Explanation] = deque(maxlen=_MOST_EXPLANATIONS)
        self.invalid_because = ""
        self.closed = False
        # Written by the training thread.
        self._given = self._overflow = self._invalid = self._late = self._left = 0
        self._cost_in = self._cost_dropped = self._logits_in = 0
        # Written by the sending thread.
        self.sent = self.refused = self.divided = 0
        self._cost_out = self._logits_out = 0

    def put(self, item: Item) -> bool:
        """Adds an item; drops the oldest ones where there is no room.

        Returns:
            True when there are enough items for a request.
        """
        with self._lock:
            if self.closed:
                self._given += 1
                self._late += 1
                return False
            self._cost_in += item.cost
            # A signal handler may wait between any two of these lines, and would wait
            # forever for an item that is counted but missing.
            self._items.append(item)
            self._given += 1
            self._make_room()
            return len(self._items) >= MOST_ITEMS

    @property
    def room(self) -> int:
        """Bytes of logits for which there is room."""
        return self._max_bytes - (self._logits_in - self._logits_out)

    def put_flagged(self, flagged: Flagged) -> None:
        """Adds a step with its logits."""
        with self._lock:
            if self.closed:
                self._given += 1
                self._late += 1
                return
            self._logits_in += flagged.nbytes
            self.flagged.append(flagged)
            self._given += 1
            self._make_room()

    def drop_invalid(self, why: str) -> None:
        """Counts an invalid step or scalar."""
        with self._lock:
            self._invalid += 1
            self._given += 1
            self.invalid_because = why

    def tell(self, explanation: Explanation) -> None:
        """Keeps an explanation for the log, and for the next call."""
        self.untold.append(explanation)
        self.explanations.append(explanation)

    def take(self) -> list[Item]:
        """Takes out the oldest items, as many as fit into a request."""
        batch: list[Item] = []
        scalars = 0
        while len(batch) < MOST_ITEMS:
            try:
                item = self._items.popleft()
            except IndexError:
                break
            scalars += item.numbers
            if scalars > MOST_SCALARS:
                self._items.appendleft(item)
                break
            batch.append(item)
        return batch

    def settle(self, item: Item, *, recorded: bool) -> None:
        """Counts an item that was taken out as recorded, or as refused."""
        self._cost_out += item.cost
        if recorded:
            self.sent += 1
        else:
            self.refused += 1

    def divide(self, item: Item) -> list[Item]:
        """Divides an item that was taken out into its pair and its scalars."""
        pair = item._replace(scalars=None)
        rest = scalars_of(item)
        self.divided += 1
        self._cost_out += item.cost - pair.cost - rest.cost
        return [pair, rest]

    def drop_logits(self) -> Flagged:
        """Takes out the oldest step with its logits; the caller must count it."""
        flagged = self.flagged.popleft()
        self._logits_out += flagged.nbytes
        self._cost_out -= flagged.item.cost
        return flagged

    def abandon(self) -> None:
        """Counts all waiting items as dropped."""
        self.closed = True
        self._left += max(0, self.waiting)

    @property
    def queued(self) -> int:
        """Items that were not taken out."""
        return len(self._items)

    @property
    def total(self) -> int:
        """Number of all items so far."""
        return self._given + self.divided

    @property
    def dropped(self) -> int:
        """Items that were dropped."""
        by_trainer = self._overflow + self._invalid + self._late + self._left
        return by_trainer + self.refused

    @property
    def waiting(self) -> int:
        """Items that are neither recorded nor dropped."""
        return self.total - self.sent - self.dropped

    @property
    def is_empty(self) -> bool:
        """True when no item is left to take out.

        Counters may disagree here: a signal handler may wait between two updates.
        """
        return not self._items and not self.flagged

    @property
    def lost(self) -> dict[str, int]:
        """Items that were dropped, by reason."""
        counts = {
            "queue_full": self._overflow,
            "refused": self.refused,
            "invalid": self._invalid,
            "closed": self._late + self._left,
        }
        return {reason: count for reason, count in counts.items() if count}

    @property
    def _cost(self) -> int:
        return self._cost_in - self._cost_dropped - self._cost_out

    def _make_room(self) -> None:
        """Drops the oldest items beyond the bounds."""
        while (
            len(self._items) + len(self.flagged) > self._max_items
            or self._cost > self._max_bytes
        ):
            try:
                oldest = self._items.popleft()
            except IndexError:  # The sending thread took it, or it has logits.
                break
            self._overflow += 1
            self._cost_dropped += oldest.cost
