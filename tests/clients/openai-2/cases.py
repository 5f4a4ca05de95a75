"""The OpenAI SDK for Python before its version 3, with the cases of its successor."""

import runpy
from pathlib import Path

globals().update(runpy.run_path(str(Path(__file__).parents[1] / "openai-3" / "cases.py")))
