"""How fast rudp is, next to asyncio's own TCP: ``python -m bench``.

Figures of one run are comparable with each other and with nothing else: machines differ, and so
does one machine from hour to hour.  So every variant takes its turn in every round, what is
reported is the median of the ratios within the rounds, and the conditions go into the JSON.
"""
