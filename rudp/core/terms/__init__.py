"""The words of the protocol: states, deadlines, and the reasons why something is done."""
