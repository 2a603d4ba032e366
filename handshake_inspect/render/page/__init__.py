"""The parts of the HTML report: what stands in its sections, and the pictures, drawn as SVG."""
