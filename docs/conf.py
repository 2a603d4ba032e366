"""The documentation site: `sphinx-build -c docs . build/site` in the root of the repository, of its pages."""

project = "hsi"
extensions = ["myst_parser", "sphinxcontrib.mermaid"]
include_patterns = ["*.md", "docs/**/*.md", "docs/*.md", "pcaps/*.md", "benchmarks/*.md"]
root_doc = "docs/site"

myst_heading_anchors = 6  # as GitHub makes them: a link to one that is not there is an error
myst_fence_as_directive = ["mermaid"]
myst_links_external_new_tab = False

html_theme = "furo"
html_title = "hsi"
html_extra_path = ["index.html"]  # leads to the first page
html_copy_source = False
html_show_copyright = False
pygments_dark_style = "monokai"
