#!/usr/bin/env python3
"""Tests of tools/kernel_report.py on small inputs made by hand. The standard library and c++filt are enough.

    python3 tests/tools/test_kernel_report.py
"""
import contextlib
import importlib.util
import io
import json
import os
import sys
import tempfile
import unittest

REPORT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "kernel_report.py")
sys.path.insert(0, os.path.dirname(REPORT))
spec = importlib.util.spec_from_file_location("kernel_report", REPORT)
report = importlib.util.module_from_spec(spec)
spec.loader.exec_module(report)

PTXAS = """ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_ZN4swag36_GLOBAL__N__6d8ccdc1_4_t_cu_af58f6d111tile_kernelILi256ELb1EEEvPfPKf' for 'sm_80'
ptxas info    : Function properties for _ZN4swag36_GLOBAL__N__6d8ccdc1_4_t_cu_af58f6d111tile_kernelILi256ELb1EEEvPfPKf
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 64 registers, used 1 barriers, 1024 bytes smem, 368 bytes cmem[0]
ptxas info    : Compiling entry function '_ZN4swag12outer_kernelEPd' for 'sm_80'
ptxas info    : Function properties for _ZN4swag12outer_kernelEPd
    16 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 255 registers, used 0 barriers, 360 bytes cmem[0]
ptxas info    : Compiling entry function '_ZN4swag12outer_kernelEPd' for 'sm_90a'
ptxas info    : Function properties for _ZN4swag12outer_kernelEPd
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 32 registers, used 0 barriers
"""


def line(number, moved, fewest, shared=False):
    return {"file": "tile.cu", "line": number, "shared": shared, "write": False, "atomic": False, "requests": 10,
            "lanes": 320, "moved": moved, "fewest": fewest}


def kernel(**changes):
    counts = {"kernel": "swag::(anonymous namespace)::tile_kernel<256, true>", "launches": 1, "blocks": 4,
              "threads": 1024, "barriers": 8, "sectors": 1500, "fewest_sectors": 1000, "wavefronts": 300, "fewest_wavefronts": 300,
              "partial_requests": 2, "distinct_bytes": 20000, "static_shared": 1024, "dynamic_shared": 0,
              "lines": [line(7, 1000, 500), line(9, 500, 500), line(11, 300, 300, True)]}
    counts.update(changes)
    return counts


def case(name="tiled", fast=True, **changes):
    return {"name": name, "fast": fast, "multiply_adds": 96000, "floor_bytes": 10000, "kernels": [kernel(**changes)]}


class OccupancyTest(unittest.TestCase):
    def test_known_cases(self):
        # Worked out by hand, and what cuda_occupancy.h gives: blocks = the least of registers per multiprocessor /
        # (registers of a block), shared memory / (what a block takes), threads, blocks.
        for arch, threads, registers, shared, blocks, percent, limit in [
            ("sm_80", 256, 64, 0, 4, 50, "registers"),              # 65536 / (256 * 64)
            ("sm_80", 256, 32, 0, 8, 100, "registers"),             # as many as the threads allow
            ("sm_80", 256, 33, 0, 6, 75, "registers"),              # 33 count as 40: 12 warps in each quarter
            ("sm_80", 128, 24, 32 * 1024, 4, 25, "shared"),         # 164 / (32 + 1) KiB
            ("sm_80", 32, 16, 0, 32, 50, "blocks"),
            ("sm_80", 1024, 65, 0, 0, 0, "registers"),              # does not start
            ("sm_75", 256, 64, 0, 4, 100, "registers"),
            ("sm_75", 256, 16, 16 * 1024, 4, 100, "shared"),        # nothing reserved: 64 / 16 KiB
            ("sm_75", 64, 32, 5000, 12, 75, "shared"),              # 5000 counts as 5120
            ("sm_75", 32, 32, 0, 16, 50, "blocks"),
            ("sm_86", 256, 40, 0, 6, 100, "registers"),
            ("sm_86", 512, 32, 48 * 1024, 2, 200 / 3, "shared"),    # 100 / 49 KiB
            ("sm_89", 64, 32, 0, 24, 100, "threads"),
            ("sm_89", 1024, 32, 0, 1, 200 / 3, "threads"),          # 1536 threads hold one block of 1024
            ("sm_90", 384, 168, 0, 1, 18.75, "registers"),
            ("sm_90", 128, 32, 227 * 1024, 1, 6.25, "shared"),
            ("sm_90", 128, 32, 228 * 1024, 0, 0, "shared"),
            ("sm_90", 48, 32, 0, 32, 100, "registers"),             # one and a half warps hold the place of two
            ("sm_120", 128, 128, 0, 4, 100 / 3, "registers"),
        ]:
            with self.subTest(arch=arch, threads=threads, registers=registers, shared=shared):
                held = report.occupancy(arch, threads, registers, shared)
                self.assertEqual((held.blocks, held.limit), (blocks, limit))
                self.assertAlmostEqual(held.percent, percent, places=3)


class PtxasTest(unittest.TestCase):
    def test_kernels_of_several_architectures_are_read(self):
        found = report.read_ptxas(PTXAS)
        self.assertEqual(found, {
            ("swag::tile_kernel<256,true>", "sm_80"): report.Resources(64, 1024, 0, 0, 0),
            ("swag::outer_kernel", "sm_80"): report.Resources(255, 0, 16, 8, 12),
            ("swag::outer_kernel", "sm_90"): report.Resources(32, 0, 0, 0, 0),
        })

    def test_names_lose_what_compilers_write_differently(self):
        for name in ["void swag::(anonymous namespace)::k<3, (bool)1>(float*, int)", "swag::k<3, (bool)1>"]:
            self.assertEqual(report.plain_name(name), "swag::k<3,(bool)1>")
        self.assertEqual(report.plain_name("f"), "f")
        self.assertEqual(report.plain_name("std::pair<int, long> g<int (*)(int)>(float const*)"), "g<int(*)(int)>")


class ProgramTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.ptxas = self.write("ptxas.log", PTXAS)
        self.record = os.path.join(self.folder, "record.json")

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def run_report(self, cases, *arguments, ptxas=None):
        counts = self.write("counts.json", json.dumps({"cases": cases}))
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = report.main([counts, "--ptxas", ptxas or self.ptxas, "--arch", "sm_80", *arguments])
        return code, out.getvalue(), err.getvalue()

    def check(self, *cases, ptxas=None):
        self.run_report([case()], "--record", self.record)
        code, _, err = self.run_report(list(cases), "--check", self.record, ptxas=ptxas)
        return code, err

    def test_the_table_shows_counts_and_occupancy(self):
        code, out, _ = self.run_report([case()], "--gpu", "A100")
        self.assertEqual(code, 0)
        rows = {text.split()[0]: text.split() for text in out.splitlines() if text.strip()}
        self.assertEqual(rows["sm_80"], ["sm_80", "(A100)"])
        self.assertEqual(rows["swag::tile_kernel<256,true>"][1:],
                         "256 64 0 1024 4 x 256 = 50% (registers) 1500/1000 1.50 300/300 1.00 8 2".split())
        self.assertEqual(rows["tiled"], ["tiled", "*", "2.00", "0.5"])  # 20000 / 10000, 1500 * 32 / 96000
        self.assertIn("tile.cu:7", out)
        self.assertNotIn("tile.cu:9", out)
        self.assertIn("1000 sectors, 500 needed (2.00), 32.0 lanes per request", out)

    def test_a_kernel_that_ptxas_did_not_see_has_question_marks(self):
        _, out, _ = self.run_report([case(kernel="other_kernel")])
        self.assertRegex(out, r"other_kernel +256 +\? +\? +1024 +\?")

    def test_the_same_counts_pass(self):
        self.assertEqual(self.check(case()), (0, ""))

    def test_fewer_sectors_pass_and_a_little_more_does(self):
        self.assertEqual(self.check(case(sectors=900))[0], 0)
        self.assertEqual(self.check(case(sectors=1507))[0], 0)  # 0.47% more

    def test_more_sectors_fail_with_the_name_and_by_how_much(self):
        code, err = self.check(case(sectors=1515))
        self.assertEqual(code, 1)
        self.assertIn("tiled: swag::tile_kernel<256,true>: sectors 1500 -> 1515 (+1.0%)", err)

    def test_a_bank_conflict_fails(self):
        code, err = self.check(case(wavefronts=600))
        self.assertEqual(code, 1)
        self.assertIn("wavefronts 300 -> 600 (+100.0%)", err)

    def test_spills_and_lost_blocks_fail(self):
        worse = PTXAS.replace("0 bytes spill stores", "4 bytes spill stores", 1).replace("Used 64", "Used 96")
        code, err = self.check(case(), ptxas=self.write("worse.log", worse))
        self.assertEqual(code, 1)
        self.assertIn("(sm_80): spills 0 -> 4 (there were none)", err)
        self.assertIn("(sm_80): blocks 4 -> 2 (-50.0%)", err)

    def test_a_missing_compilation_fails(self):
        code, err = self.check(case(), ptxas=self.write("empty.log", ""))
        self.assertEqual(code, 1)
        self.assertIn("nothing known for sm_80", err)

    def test_without_a_compiler_the_counts_are_checked_alone(self):
        self.run_report([case()], "--record", self.record)
        for sectors, expected in [(1500, 0), (1515, 1)]:
            counts = self.write("counts.json", json.dumps({"cases": [case(sectors=sectors)]}))
            out, err = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = report.main([counts, "--arch", "sm_80", "--check", self.record])
            self.assertEqual(code, expected, err.getvalue())
            self.assertEqual("counts alone" in out.getvalue(), expected == 0)

    def test_cases_of_several_files_are_put_together(self):
        first = self.write("first.json", json.dumps({"cases": [case("one")]}))
        second = self.write("second.json", json.dumps({"cases": [case("two")]}))
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(report.main([first, second, "--record", self.record]), 0)
        with open(self.record, encoding="utf-8") as f:
            self.assertEqual(sorted(json.load(f)), ["one", "two"])

    def test_a_slow_kernel_may_get_worse(self):
        self.run_report([case(fast=False)], "--record", self.record)
        self.assertEqual(self.run_report([case(fast=False, sectors=9999)], "--check", self.record)[0], 0)

    def test_a_new_fast_case_or_kernel_needs_a_record(self):
        code, err = self.check(case(), case(name="new"))
        self.assertEqual(code, 1)
        self.assertIn("new: fast, and has no record", err)
        err = self.check(case(kernel="swag::outer_kernel"))[1]
        self.assertIn("swag::outer_kernel has no record", err)
        self.assertIn("tile_kernel<256,true> is recorded, and not counted now", err)

    def test_a_fast_case_that_is_gone_fails(self):
        self.assertIn("recorded as fast, and not counted now", self.check(case(name="slow", fast=False))[1])

    def test_files_that_are_none_are_named(self):
        with self.assertRaisesRegex(SystemExit, "nowhere.json: not a file of counts"):
            report.main(["nowhere.json"])
        with self.assertRaisesRegex(SystemExit, "nowhere.log"):
            self.run_report([case()], ptxas="nowhere.log")


if __name__ == "__main__":
    unittest.main()
