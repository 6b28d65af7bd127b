#!/usr/bin/env python3
"""Fails when an include runs against the table of rooms in docs/architecture.md, and when a folder of sources has no line
in it. Reads the files that git knows; needs the standard library alone.

    tools/check_rooms.py
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


def rooms_of(text):
    """{room: the rooms that it may touch} of a table whose first column is a room and whose last names rooms."""
    rooms = {}
    for line in text.splitlines():
        cells = line.strip().strip("|").split("|")
        name = re.fullmatch(r"\s*`((?:src|kernels)[\w/]*)`\s*", cells[0])
        if name and len(cells) == 3:
            rooms[name[1]] = set(re.findall(r"`([^`]+)`", cells[2]))
    return rooms


def problems_of(root, files, rooms):
    """One line for each include that no line of the table allows, and for each room that has none."""
    problems = []
    for room in sorted({str(pathlib.PurePath(file).parent) for file in files} - rooms.keys()):
        problems.append(f"{room}/ has no line in docs/architecture.md")
    for file in files:
        room = str(pathlib.PurePath(file).parent)
        if room not in rooms:
            continue
        for include in INCLUDE.findall((root / file).read_text(encoding="utf-8")):
            target = str(pathlib.PurePath(include).parent)
            if not (root / include).is_file():
                problems.append(f'{file} includes "{include}": there is no such file under the root')
            elif target != room and target not in rooms[room]:
                problems.append(f"{file} includes {include}: {room} may not touch {target}")
    return problems


def main():
    rooms = rooms_of((ROOT / "docs/architecture.md").read_text(encoding="utf-8"))
    listed = subprocess.run(["git", "ls-files", "src", "kernels"], cwd=ROOT, check=True, capture_output=True, text=True)
    files = [file for file in listed.stdout.splitlines() if re.search(r"\.(h|cpp|cu|cuh)$", file)]
    problems = problems_of(ROOT, files, rooms)
    for problem in problems:
        print(problem)
    print(f"{len(files)} files in {len(rooms)} rooms: {len(problems) or 'no'} include(s) against docs/architecture.md")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
