"The reference of the package, from its docstrings."
from pathlib import Path

def reference(course, source):
    from website.assemble import write
    write(Path(source) / "api" / "index.md", "# The package\n")
