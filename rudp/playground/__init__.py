"""The playground: a static site on which this package itself runs in a browser.

The page makes a setting of what is chosen on it, and Pyodide, which is CPython compiled for
browsers, hands that to :func:`run`.  What comes back is the run as the report page draws it.  In
any other Python the same setting gives the same events, octet for octet.
:mod:`rudp.playground.site` builds the site.
"""

from rudp.playground.play import Played, run
from rudp.playground.setting import Setting, SettingError

__all__ = ["Played", "Setting", "SettingError", "run"]
