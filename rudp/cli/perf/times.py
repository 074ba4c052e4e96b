"""Times of exchanges, any number in bounded memory: they are counted by classes of one percent."""

import math
from typing import Final

_WIDTH: Final = math.log(1.01)
_SMALLEST: Final = 1e-7


class Times:
    """Counts times in seconds and tells their percentiles, to one percent."""

    def __init__(self) -> None:
        self.count = 0
        self._classes: dict[int, int] = {}

    def add(self, seconds: float) -> None:
        """Count one."""
        self.count += 1
        key = round(math.log(max(seconds, _SMALLEST)) / _WIDTH)
        self._classes[key] = self._classes.get(key, 0) + 1

    def merge(self, other: "Times") -> None:
        """Count all of *other* too."""
        self.count += other.count
        for key, count in other._classes.items():
            self._classes[key] = self._classes.get(key, 0) + count

    def percentile(self, percent: float) -> float | None:
        """Return the seconds that *percent* of the times do not exceed, None without times."""
        left = max(1, math.ceil(self.count * percent / 100))
        for key in sorted(self._classes):
            left -= self._classes[key]
            if left <= 0:
                return math.exp(key * _WIDTH)
        return None
