"""All that draws a chart of a page: geometry that `charts.html` shows as SVG, and pictures made by matplotlib."""
