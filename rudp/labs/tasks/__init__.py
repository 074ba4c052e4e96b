"""One module for each lab.

``ask`` puts questions, drawn with a generator, to a class, and raises
:class:`~rudp.labs.lab.Wrong`; ``build`` returns how a class takes the place of the part; and
``Reference`` is what the package's own code makes of the same interface.
"""
