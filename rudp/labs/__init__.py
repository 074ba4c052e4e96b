"""Labs: a class of the learner's takes the place of a part of rudp, and is put to the test.

A lab is a file to be filled in (``rudp/labs/start``), questions that are put to the class directly,
and connections over bad paths in which it does the work of the part (:mod:`rudp.labs.tasks`).  What
the package itself does is the reference, and the answer.  All time is virtual.
"""
