"""The live screen: what a capture looks like at this moment, and the keys to look closer.

`Screen` draws snapshots and knows nothing of where they come from.  rich is imported when a screen is shown.
"""

from handshake_inspect.render.screen.screen import Screen, can_show

__all__ = ["Screen", "can_show"]
