"""What the programs begin with that tests start as processes of their own."""

from typing import Final

PATIENT: Final = """
import logging
# A slow callback, as any may be on a busy machine, is nothing to complain of.
logging.getLogger("asyncio").addFilter(lambda record: not record.msg.startswith("Executing "))
"""
"""For ``-X dev``, which turns on asyncio's debug mode: all its other warnings stay."""
