"Sphinx's settings. The folder that it reads is assembled by assemble.py, which leaves course.json beside the pages."

import json
import os
from pathlib import Path

_course = json.loads(Path(os.environ["WEBSITE_SOURCE"], "course.json").read_text(encoding="utf-8"))
_here = Path(__file__).parent

project = _course["title"]
author = _course["author"]
copyright = author
version = release = _course["version"]
language = "en"

extensions = ["myst_nb", "website.extension"]
exclude_patterns = ["extra"]
myst_enable_extensions = ["dollarmath"]
myst_dmath_double_inline = True
myst_dmath_allow_labels = False
# what JupyterLab and GitHub show as it is written is no syntax here either
myst_disable_syntax = ["myst_role", "myst_target", "myst_line_comment", "myst_block_break"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header", "config.cache"]

nb_execution_mode = "off"
nb_merge_streams = True
nb_render_markdown_format = "myst"
nb_ipywidgets_js = {}

html_theme = "furo"
html_title = _course["title"]
html_baseurl = _course["site_url"]
html_static_path = [str(_here / "static"), str(Path(os.environ["WEBSITE_SOURCE"], "static"))]
html_extra_path = [str(Path(os.environ["WEBSITE_SOURCE"], "extra"))]
html_favicon = str(_here / "static" / "favicon.svg")
html_css_files = ["near.css", "site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_copy_source = False
html_show_sphinx = False
html_show_search_summary = False  # it would fetch each page, which a page that is a file may not
html_theme_options = {
    "navigation_with_keys": True,
    "light_css_variables": {
        "color-brand-primary": "#0b5fa5",
        "color-brand-content": "#0b5fa5",
        "color-brand-visited": "#0b5fa5",
        "color-background-primary": "#fdfcfa",
        "color-background-secondary": "#f5f3ee",
        "color-background-border": "#e3dfd6",
        "color-foreground-primary": "#1f2328",
        "color-highlight-on-target": "#e9f1f8",
    },
    "dark_css_variables": {
        "color-brand-primary": "#7cc0f0",
        "color-brand-content": "#7cc0f0",
        "color-brand-visited": "#7cc0f0",
        "color-background-primary": "#13161b",
        "color-background-secondary": "#1b1f26",
        "color-background-border": "#333a44",
        "color-foreground-primary": "#e6e8eb",
        "color-highlight-on-target": "#1d2a37",
    },
}
pygments_style = "xcode"
pygments_dark_style = "github-dark"
