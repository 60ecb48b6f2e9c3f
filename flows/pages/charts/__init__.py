"""All that draws a chart of a page: geometry that `charts.html` shows as SVG, and pictures made by matplotlib."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
