"""How the docs are built: Markdown by MyST, the reference printed from the code."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

project = "Commonwatt"
author = "The Commonwatt authors"
extensions = ["myst_parser", "printed"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "_ext"]
myst_enable_extensions = ["deflist", "colon_fence", "attrs_block"]
myst_heading_anchors = 3
nitpicky = True
html_theme = "furo"
html_title = "Commonwatt"
html_copy_source = False
html_show_sphinx = False
