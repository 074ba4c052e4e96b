"""A controller of your own, which shares one bottleneck with a connection of CUBIC."""

import rudp


class Mine(rudp.Controller):
    """Sizes are octets, times seconds. This one grows as Reno does."""

    def on_ack(self, ack):
        if not ack.cwnd_limited:
            return  # it was not cwnd that held the sender back
        if self.cwnd < self.ssthresh:
            self.cwnd += ack.delivered  # slow start: twice as much in each round trip
        else:
            self.cwnd += self.smss * ack.delivered // self.cwnd  # a segment in each round trip

    def on_congestion(self, signal, flight_size, now):
        self.ssthresh = max(flight_size // 2, 2 * self.smss)
        if signal is rudp.Signal.ECN:
            self.cwnd = self.ssthresh  # after a loss the core leads it there

    def on_timeout(self, flight_size, first, now):
        self.ssthresh = max(flight_size // 2, 2 * self.smss)
        self.cwnd = self.smss
