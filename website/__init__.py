"""The course as a static site: `python -m website OUT`, or `make site`.

The notebooks are read as they are stored and never run. `assemble` turns them into a folder that Sphinx reads (furo is
the theme, myst-nb the reader), `extension` sets formulas, links equations and writes what a page's head needs, `api` writes
the reference of the package from its docstrings, and `check` opens every page in a browser. No page asks the network
for anything.
"""
