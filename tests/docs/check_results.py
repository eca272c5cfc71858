"""The tables in docs/results.md are what `latentcl results table` prints of docs/results: check_results.py ROOT LATENTCL [--write]

--write puts them there."""
import re
import subprocess
import sys
from pathlib import Path

root, latentcl = Path(sys.argv[1]).resolve(), sys.argv[2]
page = root / "docs" / "results.md"
text = page.read_text()
printed = subprocess.run([latentcl, "results", "table", root / "docs" / "results"], check=True, capture_output=True, text=True).stdout
block = re.compile(r"(<!-- latentcl results table -->\n).*?(<!-- end -->)", re.S)
assert len(block.findall(text)) == 1, "docs/results.md has no place for the tables"
new = block.sub(lambda m: m[1] + "\n" + printed + "\n" + m[2], text)
if "--write" in sys.argv:
    page.write_text(new)
elif new != text:
    sys.exit("docs/results.md is not what the files say: tests/docs/check_results.py ROOT LATENTCL --write")
assert printed.count("\n| ") > 40, "hardly any results"
