"""Makes the reference of the public headers with doxygen; any warning is a failure.

Usage: check_doxygen.py ROOT BUILD. The pages are in BUILD/reference/html."""
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

root, build = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
UNDOCUMENTED = """/** @file
 * A planted fault: the function's argument has no comment. */
/** A function.
 * @return 0 */
int lcl_planted(int argument);
"""


def doxygen(*settings):
    """Runs the project's Doxyfile with settings over it; the exit code and what it printed."""
    text = "\n".join([(root / "docs/Doxyfile").read_text(), *settings])
    environment = dict(os.environ, LATENTCL_ROOT=str(root), LATENTCL_BUILD=str(build))
    result = subprocess.run(["doxygen", "-"], input=text, text=True, env=environment,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return result.returncode, result.stdout


if not shutil.which("doxygen"):
    print("skipped: doxygen is not installed")
    sys.exit(77)
code, text = doxygen()
pages = list((build / "reference/html").glob("*_8h.html"))
if code or text.strip() or len(pages) < 11:
    sys.exit(f"doxygen: exit code {code}, {len(pages)} headers\n{text}")
with tempfile.TemporaryDirectory() as folder:
    (Path(folder) / "planted.h").write_text(UNDOCUMENTED)
    code, text = doxygen(f"INPUT={folder}", f"OUTPUT_DIRECTORY={folder}")
if code == 0 or "lcl_planted" not in text:
    sys.exit(f"doxygen let an undocumented argument pass:\n{text}")
print(f"{len(pages)} headers")
