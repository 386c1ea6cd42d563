"""How Sphinx makes the site. `python -m ktlib site` lays the sources out beside this file and calls it; offline."""

project = "If you can describe it, can it see?"
author = "The ktlib contributors"
language = "en"
smartquotes = False  # titles and names as they are written
extensions = ["myst_nb", "ktlib.companion.report.formulas"]
exclude_patterns = ["_static", "conf.py"]
# What the sources link to is laid out by ktlib.companion.report.sources, and a test follows every link of the pages;
# names such as #k1, which stand in tables, are unknown to MyST.
suppress_warnings = ["myst.xref_missing", "myst.header"]

# -- notebooks and Markdown --
nb_execution_mode = "off"
nb_render_markdown_format = "myst"
nb_ipywidgets_js: dict[str, dict[str, str]] = {}
nb_merge_streams = True
myst_enable_extensions = ["amsmath", "attrs_inline", "colon_fence", "dollarmath"]
myst_heading_anchors = 6
myst_dmath_allow_digits = False
myst_dmath_allow_space = False

# -- pages --
html_theme = "furo"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_copyright = False
html_show_search_summary = False  # a summary is fetched, which browsers refuse to pages from the file system
html_use_index = False
pygments_style = "default"
