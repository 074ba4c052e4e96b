"""Whatever is done in whatever order, the lane changes nothing: hypothesis looks step by step."""

from typing import Any

import hypothesis.strategies as st
from hypothesis import Phase, event, note, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.sim.twins import CLIENT, KINDS, OPTIONS, PATHS, SERVER, Twin

ENDS = st.integers(0, 5)
TROUBLES: dict[str, dict[str, Any]] = {
    "none": {},
    "losses": {"loss": 0.1},
    "copies": {"duplicate": 0.2},
    "disorder": {"reorder": 0.2, "reorder_delay": 0.01},
    "damage": {"corrupt": 0.05, "deliver_corrupted": True},
    "marks": {"rate": 250_000, "mark": 1},
}
QUIET: dict[str, Any] = {
    "loss": 0.0, "duplicate": 0.0, "reorder": 0.0, "corrupt": 0.0, "rate": None, "mark": None,
}  # fmt: skip
MOST_TIME = 3.0


class Lanes(RuleBasedStateMachine):
    """The same deeds with each lane; after each all that can be seen is compared."""

    def __init__(self) -> None:
        super().__init__()
        self.twins: list[Twin] = []
        self.path: dict[str, Any] = {}
        self.seen = 0

    @initialize(
        path=st.sampled_from(sorted(PATHS)),
        options=st.sampled_from(sorted(OPTIONS)),
        seed=st.integers(0, 1000),
        pairs=st.integers(1, 3),
        capacity=st.sampled_from((4 << 20, 100_000, None)),
    )
    def connect(self, path: str, options: str, seed: int, pairs: int, capacity: int | None) -> None:
        self.path = PATHS[path]
        self.twins = [
            Twin(lane, PATHS[path], OPTIONS[options], seed, pairs, capacity) for lane in KINDS
        ]
        self.talk(0, 100, 3)

    def act(self, end: int, deed: str, *args: Any) -> None:
        for twin in self.twins:
            twin.act(end % len(twin.ends), deed, *args)

    def compare(self) -> None:
        first, *others = self.twins
        for twin in others:
            for here, there in zip(first.pages[self.seen :], twin.pages[self.seen :], strict=False):
                assert here == there
            assert len(first.pages) == len(twin.pages)
        self.seen = len(first.pages)

    @rule(end=ENDS, size=st.sampled_from((1, 64, 1000, 1448, 1449, 4096, 20_000, 200_000)))
    def write(self, end: int, size: int) -> None:
        self.act(end, "write", bytes(n % 251 for n in range(size)))

    @rule(end=ENDS, most=st.none() | st.integers(1, 5000))
    def read(self, end: int, most: int | None) -> None:
        self.act(end, "read", most)

    @rule(seconds=st.sampled_from((0.0, 0.001, 0.005, 0.02, 0.1, 0.5, MOST_TIME)))
    def let_time_pass(self, seconds: float) -> None:
        for twin in self.twins:
            twin.pass_time(seconds)
        self.compare()

    @rule(end=ENDS, size=st.sampled_from((1, 100, 3000)), times=st.integers(2, 20))
    def talk(self, end: int, size: int, times: int) -> None:
        """Message and answer: so a connection becomes steady, and stays so."""
        for _ in range(times):
            for each in (end, end ^ 1):
                self.act(each, "write", b"m" * size)
                self.let_time_pass(0.03)
                self.act(each ^ 1, "read", None)

    @rule(end=ENDS, size=st.sampled_from((5000, 100_000)), times=st.integers(2, 10))
    def stream(self, end: int, size: int, times: int) -> None:
        """A reader that keeps up."""
        for _ in range(times):
            self.act(end, "write", b"s" * size)
            self.let_time_pass(0.02)
            self.act(end ^ 1, "read", None)

    @rule(end=ENDS, size=st.integers(1, 3))
    def dribble(self, end: int, size: int) -> None:
        """A reader that does not read, and a writer of very little."""
        for _ in range(80):
            self.act(end, "write", b"." * size)
            self.let_time_pass(0.001)

    @rule(trouble=st.sampled_from(sorted(TROUBLES)))
    def trouble(self, trouble: str) -> None:
        for twin in self.twins:
            for here, there in (CLIENT, SERVER), (SERVER, CLIENT):
                options = QUIET | self.path | TROUBLES[trouble]
                twin.network.link(here[0], there[0], **options)

    @rule(end=ENDS, octets=st.sampled_from((0, 1448, 60_000)))
    def hold_back(self, end: int, octets: int) -> None:
        self.act(end, "hold_back", octets)

    @rule(end=ENDS, deed=st.sampled_from(("status", "records")))
    def look(self, end: int, deed: str) -> None:
        self.act(end, deed)

    @rule(end=ENDS, octets=st.sampled_from((3000, 20_000, 500_000)))
    def resize(self, end: int, octets: int) -> None:
        self.act(end, "resize", octets)

    @rule(end=ENDS, mss=st.sampled_from((400, 1000, 1300)))
    def shrink(self, end: int, mss: int) -> None:
        self.act(end, "shrink", mss)

    @rule(end=ENDS)
    def write_urgent(self, end: int) -> None:
        self.act(end, "write_urgent", b"!")

    @precondition(lambda self: self.seen > 60)
    @rule(end=ENDS, deed=st.sampled_from(("shutdown", "shutdown", "close", "abort")))
    def part(self, end: int, deed: str) -> None:
        self.act(end, deed)

    def teardown(self) -> None:
        if not self.twins:
            return
        self.let_time_pass(MOST_TIME)
        first, *others = [twin.look_inside() for twin in self.twins]
        for inside in others:
            different = {n: (v, inside.get(n)) for n, v in first.items() if inside.get(n) != v}
            assert not different
            assert inside.keys() == first.keys()
        off, *on = [twin.lanes for twin in self.twins]
        assert off == (0, 0)
        assert len(set(on)) == 1
        event(f"entered: {min(on[0][0], 3)}")
        event(f"left: {min(on[0][1], 3)}")
        note(f"entered, left: {on[0]}")


TestLanes = Lanes.TestCase
TestLanes.settings = settings(
    max_examples=60, stateful_step_count=30, phases=(Phase.explicit, Phase.reuse, Phase.generate)
)
