"""The live screen: an overview of a running capture, with keys to show details.

`Screen` draws snapshots, independent of their source.  rich is imported only when a screen is shown.
"""

from handshake_inspect.render.screen.screen import Screen, can_show

__all__ = ["Screen", "can_show"]
