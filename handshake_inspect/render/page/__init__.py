"""The parts of the HTML report: contents of its sections, and charts drawn as SVG."""
