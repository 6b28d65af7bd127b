#!/usr/bin/env python3
"""Tests of tools/check_rooms.py: what it must let pass and what it must refuse."""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import check_rooms  # noqa: E402

TABLE = """
| room | what may enter | may touch |
| --- | --- | --- |
| `src/upper` | what is above | `src/lower` `kernels` |
| `src/lower` | what is below | |
| `kernels` | ops | |
"""


class CheckRooms(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def problems(self, files):
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return check_rooms.problems_of(self.root, sorted(files), check_rooms.rooms_of(TABLE))

    def test_includes_that_point_down_or_into_the_same_room_pass(self):
        files = {"src/upper/a.h": '#include <vector>\n#include "src/lower/b.h"\n#include "src/upper/c.h"\n',
                 "src/upper/c.h": '#include "kernels/op.h"', "src/lower/b.h": "", "kernels/op.h": ""}
        self.assertEqual(self.problems(files), [])

    def test_an_include_that_points_up_is_named(self):
        problems = self.problems({"src/lower/b.h": '#  include "src/upper/a.h"', "src/upper/a.h": ""})
        self.assertEqual(problems, ["src/lower/b.h includes src/upper/a.h: src/lower may not touch src/upper"])

    def test_a_room_without_a_line_and_an_include_without_its_folder_are_named(self):
        problems = self.problems({"src/new/x.h": "", "src/lower/b.h": '#include "c.h"', "src/lower/c.h": ""})
        self.assertEqual(len(problems), 2)
        self.assertIn("src/new/ has no line", problems[0])
        self.assertIn('"c.h"', problems[1])


if __name__ == "__main__":
    unittest.main()
