"""A congestion controller of one's own: it backs off when the path's queue grows, as Vegas does.

Let it race the others, ``python bench/race.py examples/controller.py cubic``, or give it to a
connection, ``rudp.open_connection(host, port, config=rudp.Config(congestion=Gentle))``.
"""

import rudp


class Gentle(rudp.Controller):
    """Keeps two to four segments of its own in the queue.

    Sizes are octets, times seconds.  Slow start ends when the queue has become noticeable.
    """

    def on_ack(self, ack):
        if not ack.cwnd_limited or ack.rtt is None or ack.min_rtt is None:
            return
        queued = self.cwnd * (1 - ack.min_rtt / ack.rtt)  # what is in flight beyond the path itself
        if self.cwnd < self.ssthresh:
            if queued < 4 * self.smss:
                self.cwnd += ack.delivered
            else:
                self.ssthresh = self.cwnd
        elif queued < 2 * self.smss:
            self.cwnd += self.smss * ack.delivered // self.cwnd
        elif queued > 4 * self.smss:
            self.cwnd = max(self.cwnd - self.smss * ack.delivered // self.cwnd, 2 * self.smss)

    def on_congestion(self, signal, flight_size, now):
        self.ssthresh = self.cwnd = max(flight_size // 2, 2 * self.smss)

    def on_timeout(self, flight_size, first, now):
        self.ssthresh = max(flight_size // 2, 2 * self.smss)
        self.cwnd = self.smss
