"""The tables in docs/results.md are what commands print of files: `latentcl results table --missing` of docs/results, and
`tools/compare_with_peer --table` of docs/peers.json. check_results.py ROOT LATENTCL [--write]

--write puts them there."""
import re
import subprocess
import sys
from pathlib import Path

root, latentcl = Path(sys.argv[1]).resolve(), sys.argv[2]
page = root / "docs" / "results.md"
text = new = page.read_text()
commands = {"latentcl results table": [latentcl, "results", "table", "--missing", root / "docs" / "results"],
            "compare_with_peer --table": [sys.executable, root / "tools" / "compare_with_peer", "--table", root / "docs" / "peers.json"]}
printed = {}
for name, command in commands.items():
    printed[name] = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    block = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.S)
    assert len(block.findall(text)) == 1, f"docs/results.md has no place for {name}"
    new = block.sub(lambda m: m[1] + "\n" + printed[name] + "\n" + m[2], new)
if "--write" in sys.argv:
    page.write_text(new)
elif new != text:
    sys.exit("docs/results.md is not what the files say: tests/docs/check_results.py ROOT LATENTCL --write")
for name, least in (("latentcl results table", 40), ("compare_with_peer --table", 15)):
    assert printed[name].count("\n| ") > least, f"hardly any results: {name}"
