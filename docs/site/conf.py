"""Sphinx's settings for the site that `build.py` lays out: no page needs a network."""

from __future__ import annotations

from joulia import version as installed

project = "joulia"
author = "the joulia developers"
release = installed.version()
root_doc = "index"
highlight_language = "none"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["extra", ".doctrees"]

myst_heading_anchors = 4
suppress_warnings = ["myst.header"]

# Docstrings write code in single backticks.
default_role = "literal"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"joulia {release}"
html_extra_path = ["extra"]
html_show_sphinx = False
html_copy_source = False
html_css_files = ["site.css"]
html_favicon = "static/favicon.svg"
html_static_path = ["static"]

linkcheck_timeout = 20
linkcheck_retries = 2
linkcheck_ignore = [r"http://localhost.*"]
