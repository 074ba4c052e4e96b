"""rudp against what others made: Linux's own TCP, and the dissectors of Wireshark."""
