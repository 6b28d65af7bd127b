#!/usr/bin/env python3
"""Tests of tools/gpu_model.py, tools/sass_loops.py and the tables of tools/kernel_report.py --launches, on cases worked out by hand.

    python3 tests/tools/test_gpu_model.py
"""
import contextlib
import io
import json
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "tools"))
import gpu_model as model  # noqa: E402
import gpu_report  # noqa: E402
import kernel_report  # noqa: E402
import sass_loops  # noqa: E402

# Round figures: 10 processors at 1 GHz, 100 multiply-adds per clock and processor, 1 TB/s, 4 TB/s, 1 MiB; a gap of 1 us.
GPU = model.Rates("sm_90", 10, 1e9, {"float32": 100e9 / model.BUSY, "tf32": 1000e9 / model.BUSY, "half": 2000e9 / model.BUSY,
                                     "tf32, wgmma": 800e9 / model.BUSY, "tf32, narrow wgmma": 500e9 / model.BUSY},
                  1e12, 4e12, 1 << 20, 1.0, [])


def launch(**changes):
    fields = {"kernel": "tile_kernel<1>", "unit": "float", "grid": [10, 1, 1], "threads": 128, "parts": [[10, 1e6]], "bytes": 0}
    fields.update(changes)
    return fields


def us(precision="single", loops=None, **changes):
    time = model.launch_time(launch(**changes), precision, GPU, loops or {})
    return round(time.us - model.RAMP, 6), time.bound


class KernelTime(unittest.TestCase):
    def test_products_bound_a_kernel_of_many_products(self):
        self.assertEqual(us(bytes=4e6), (10, "multiply-adds"))  # 1e6 / 100e9; bytes alone would take 4

    def test_tensor_cores_have_rates_of_their_own(self):
        self.assertEqual(us(unit="tensor"), (1, "tensor cores"))
        self.assertEqual(us("half", unit="tensor"), (0.5, "latency"))  # less than it takes to begin and to end

    def test_wgmma_has_rates_of_its_own(self):
        self.assertEqual(us("tf32+wgmma", unit="wgmma", n=128), (1.25, "tensor cores"))
        self.assertEqual(us("tf32+wgmma", unit="wgmma", n=64), (2, "tensor cores"))
        self.assertEqual(us("tf32+wgmma", unit="tensor"), (1, "tensor cores"))  # a Gram matrix

    def test_bytes_bound_a_kernel_of_many_bytes(self):
        self.assertEqual(us(bytes=40e6), (40, "memory"))
        self.assertEqual(us(unit="none", bytes=40e6), (40, "memory"))

    def test_what_the_second_level_cache_holds_moves_at_its_rate(self):
        half = (1 << 20) * model.CACHED
        self.assertEqual(us(unit="none", bytes=half), (round(half / 4e6, 6), "latency"))
        self.assertEqual(us(unit="none", bytes=half + 1000)[0], round((half + 1000) / 1e6, 6))

    def test_tiles_that_ask_for_much_are_bound_by_the_second_level_cache(self):
        self.assertEqual(us(bytes=1e6, l2_bytes=80e6), (20, "L2"))

    def test_one_block_too_many_is_a_wave_more(self):
        self.assertEqual(us(parts=[[20, 1e6]])[0], 20)
        self.assertEqual(us(parts=[[21, 1e6]])[0], 30)

    def test_long_blocks_first_leave_little_at_the_end(self):
        # Ten processors: ten blocks of 4, then ten of 2, twenty of 1. All together 80, so 8 each.
        self.assertEqual(model.makespan([(10, 4), (10, 2), (20, 1)], 10), 8)
        self.assertEqual(model.makespan([(10, 1), (1, 4)], 10), 5)
        self.assertEqual(model.makespan([(10, 3), (100, 0)], 10), 3)

    def test_half_a_block_of_warps_uses_half_the_schedulers_when_it_is_alone(self):
        self.assertEqual(us(threads=64)[0], 20)
        self.assertEqual(us(threads=64, parts=[[20, 1e6]])[0], 20)  # two side by side

    def test_instructions_beside_the_products_take_their_slots(self):
        loops = {"sm_90": {"tile_kernel<1>": [12, 2]}}
        # 1e6 / 32 products, six instructions each, four a clock: 46875 clocks.
        self.assertEqual(us(loops=loops), (round(46.875 / model.BUSY, 6), "instructions"))
        self.assertEqual(us(loops={"sm_80": loops["sm_90"]})[0], 10)

    def test_kernels_that_multiply_without_a_known_loop_are_named(self):
        op = {"launches": [launch(), launch(kernel="other", unit="wgmma", n=64), launch(kernel="cublasSgemm", unit="blas", product=[8, 8, 8, 1]),
                           launch(kernel="relu", unit="none")]}
        self.assertEqual(model.without_loops([op], GPU, {"sm_90": {"tile_kernel<1>": [12, 2]}}), ["other"])
        self.assertEqual(model.without_loops([op], GPU, {"sm_80": {"tile_kernel<1>": [12, 2]}}), ["other", "tile_kernel<1>"])

    def test_products_of_cublas_are_padded_to_tiles(self):
        self.assertEqual(model.blas_parts([512, 130, 100, 3]), [(4 * 2 * 3, 128 * 128 * 100)])
        self.assertEqual(model.blas_parts([64, 64, 512, 8]), [(8, 64 * 64 * 512)])

    def test_an_evaluation_is_its_kernels_with_gaps_and_the_reading_back(self):
        op = {"precision": "single", "launches": [launch(), launch(unit="none", bytes=40e6)]}
        whole = 2 * (10 + 40 + 2 * (model.RAMP + 1)) + model.READ_BACK
        self.assertAlmostEqual(model.evaluation_ms([op, op], GPU, {}), whole * 1e-3)


class Rates(unittest.TestCase):
    def test_peaks_are_those_of_the_data_sheets(self):
        for name, clock, float32, half in [("H100", 1.83, 61.8, 989.4), ("A100", 1.41, 19.5, 312), ("RTX 4090", 2.52, 82.6, 165.2)]:
            gpu = model.GPUS[name]  # at the clock for which NVIDIA gives its peaks
            self.assertAlmostEqual(2 * gpu.float32 * gpu.sms * clock * 1e-3, float32, delta=0.1)
            self.assertAlmostEqual(2 * gpu.half * gpu.sms * clock * 1e-3, half, delta=0.5)

    def test_what_was_measured_takes_the_place_of_what_was_assumed(self):
        assumed = model.rates("H100")
        limits = {"copy, read and written": 3000, "mma.sync, TF32": 264, "launches in a graph": 0.9, "expf, mean relative error": 1}
        gpu = model.rates("H100", limits)
        self.assertEqual((gpu.memory, gpu.gap, gpu.measured), (3000e9, 0.9, ["graph", "memory", "tf32"]))
        self.assertAlmostEqual(gpu.multiply_adds["tf32"], 1e12)  # 264 TFLOP/s / 2 / 132
        self.assertEqual(gpu.multiply_adds["half"], assumed.multiply_adds["half"])
        self.assertEqual(assumed.measured, [])

    def test_names_are_found_in_longer_ones_and_others_are_refused(self):
        self.assertEqual(model.find_gpu("NVIDIA H100 80GB HBM3"), "H100")
        self.assertEqual(model.find_gpu("h200"), "H200")
        with self.assertRaisesRegex(ValueError, "no GPU 'T4' in the model; it knows H100, H200, A100, RTX 4090"):
            model.find_gpu("T4")


SASS = """
	code for sm_90
arch = sm_90
		Function : _ZN4swag12_GLOBAL__N_14tileILi3ELb1EEEvPf
        /*0000*/                   MOV R1, c[0x0][0x28] ;    /* 0x00000a00ff017624 */
        /*0010*/                   LDS R2, [R1] ;            /* 0x00000a00ff017624 */
        /*0020*/               @P0 BRA 0x60 ;                /* 0x00000a00ff017624 */
        /*0030*/                   FADD R3, R2, R2 ;         /* 0x00000a00ff017624 */
        /*0040*/                   FADD R3, R2, R2 ;         /* 0x00000a00ff017624 */
        /*0050*/                   FADD R3, R2, R2 ;         /* 0x00000a00ff017624 */
{products}        /*0200*/              @!P1 BRA 0x10 ;     /* 0x00000a00ff017624 */
        /*0210*/                   FFMA R1, R1, R1, R1 ;     /* 0x00000a00ff017624 */
        /*0220*/                   BRA 0x220;                /* 0x00000a00ff017624 */
""".format(products="".join(f"        /*{0x60 + 16 * i:04x}*/                   FFMA R{i}, R1, R1, R{i} ;  /* 0x00 */\n"
                                for i in range(20)))


class Loops(unittest.TestCase):
    def test_the_main_loop_is_counted_without_what_it_skips(self):
        # LDS, two branches and 20 products; the three additions are for some rounds only.
        self.assertEqual(sass_loops.read(SASS), {"sm_90": {"tile<3, true>": [23, 20]}})

    def test_a_copy_that_may_be_skipped_counts(self):
        self.assertEqual(sass_loops.read(SASS.replace("FADD", "LDG ", 1)), {"sm_90": {"tile<3, true>": [26, 20]}})

    def test_a_wgmma_is_as_many_products_as_a_warps_part_of_it(self):
        wide = SASS.replace("FFMA R", "HGMMA.64x256x8.F32.TF32 R")
        self.assertEqual(sass_loops.read(wide), {"sm_90": {"tile<3, true>": [23, 20 * 32]}})

    def test_waiting_that_lies_behind_the_end_is_no_loop(self):
        behind = "        /*0220*/                   EXIT ;\n        /*0230*/                   BRA 0x20 ;  /* 0x00 */\n"
        waits = SASS.replace("        /*0220*/                   BRA 0x220; ", behind + "        /*0240*/                   BRA 0x240; ")
        self.assertEqual(sass_loops.read(waits), {"sm_90": {"tile<3, true>": [23, 20]}})

    def test_names_are_those_of_the_list_of_launches(self):
        for demangled, name in [("void swag::cuda::conv2d::tensor_kernel<swag::Float16, 3>(swag::cuda::Arguments)", "tensor_kernel<Float16, 3>"),
                                ("void swag::(anonymous namespace)::wgmma<(swag::cuda::Operands)2, 1>(int)", "wgmma<2, 1>"),
                                ("swag::cuda::conv2d::plain(float*, long)", "plain")]:
            self.assertEqual(sass_loops.short_name(demangled), name)

    def test_a_kernel_without_products_has_no_main_loop(self):
        self.assertEqual(sass_loops.read(SASS.replace("FFMA", "FMUL")), {})


def listed(**changes):
    op = {"network": "vgg19", "size": 512, "precision": "tf32", "architecture": "sm_90", "op": "relu", "shape": "8x8x64",
          "launches": [launch(unit="none", bytes=301.5e6)]}  # 100 us of an H100's memory
    op.update(changes)
    return op


RESULTS = [
    {"machine": {"date": "2026-01-02", "device": "cuda", "gpu": {"name": "NVIDIA H100 80GB HBM3"}}},
    {"part": "alive", "network": "vgg19", "size": 512, "style_loss": "gram", "precision": "tf32", "ms_median": 0.234},
    {"part": "alive", "network": "vgg19", "size": 512, "style_loss": "wasserstein", "precision": "tf32", "ms_median": 9.0},
    {"part": "ops_vgg19", "op": "relu", "shape": "8x8x64", "precision": "tf32", "calls": 2, "ms": 0.204},
]


class Tables(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def report(self, *arguments, ops=None, results=RESULTS):
        (self.folder / "launches.jsonl").write_text("".join(json.dumps(op) + "\n" for op in ops or [listed(), listed()]))
        (self.folder / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in results))
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = kernel_report.main(["--launches", str(self.folder / "launches.jsonl"), *arguments])
        self.assertEqual(code, 0)
        return out.getvalue().splitlines()

    def measured(self):
        return ["--results", str(self.folder / "results.jsonl")]

    def test_measured_times_stand_beside_predicted_ones(self):
        lines = self.report("--gpu", "H100", "--kernels", "vgg19:512:tf32", *self.measured())
        self.assertIn("| vgg19 | 512 | tf32 | 2 | 0.00 | 0.22 | 0.23 | 1.07 |", lines)  # 2 x 102 us + 15
        self.assertIn("| relu | 8x8x64 | tile_kernel<1> 10x1x1 | 2 | memory | 102.0 | 204.0 | 2.00 |", lines)
        self.assertIn("Every constant is a data sheet's or assumed.", lines)

    def test_nothing_measured_leaves_cells_empty(self):
        for lines in (self.report("--gpu", "H100"), self.report("--gpu", "H200", *self.measured())):
            row = next(line for line in lines if line.startswith("| vgg19"))
            self.assertTrue(row.endswith("|  |  |"), row)

    def test_measured_limits_are_used_and_named(self):
        limits = RESULTS + [{"part": "limits", "limit": "copy, read and written", "value": 1507.5, "unit": "GB/s"}]
        lines = self.report("--gpu", "H100", *self.measured(), results=limits)
        self.assertIn("Measured there and used: memory.", lines)
        self.assertIn("| vgg19 | 512 | tf32 | 2 | 0.00 | 0.42 | 0.23 | 0.56 |", lines)

    def test_kernels_whose_loops_are_not_recorded_are_named(self):
        self.assertFalse(any("make kernel-loops" in line for line in self.report("--gpu", "H100")))
        lines = self.report("--gpu", "H100", ops=[listed(launches=[launch(), launch(unit="none", kernel="relu")])])
        self.assertIn("Too fast, for their main loops are not in kernel_loops.json (make kernel-loops): tile_kernel<1>.", lines)

    def test_what_wgmma_took_stands_beside_its_prediction(self):
        results = [*RESULTS, {"part": "alive", "network": "vgg19", "size": 512, "style_loss": "gram", "precision": "tf32", "kernels": "wgmma",
                              "ms_median": 0.438}]
        lines = self.report("--gpu", "H100", *self.measured(), ops=[listed(precision="tf32+wgmma") for _ in range(2)], results=results)
        self.assertIn("| vgg19 | 512 | tf32+wgmma | 2 | 0.00 | 0.22 | 0.44 | 2.00 |", lines)

    def test_lists_of_other_architectures_are_not_a_gpus(self):
        lines = self.report("--gpu", "A100", ops=[listed(), listed(architecture="sm_80", precision="single")])
        self.assertEqual(sum(line.startswith("| vgg19") for line in lines), 1)

    def test_the_record_is_what_gpu_report_reads(self):
        path = self.folder / "record.json"
        self.report("--gpu", "H100", "--record", str(path))
        self.assertEqual(json.loads(path.read_text()), {"H100": {"vgg19:512:tf32": 0.219}})
        self.assertIn("vgg19:512:tf32", gpu_report.predictions(RESULTS))

    def test_unknown_names_are_refused_with_those_that_are_known(self):
        with self.assertRaisesRegex(SystemExit, "no GPU 'T4' in the model; it knows H100, H200, A100, RTX 4090"):
            self.report("--gpu", "T4")
        with self.assertRaisesRegex(SystemExit, "no launches of 'vgg16:512:tf32' in the list; it has vgg19:512:tf32"):
            self.report("--kernels", "vgg16:512:tf32")
        with self.assertRaisesRegex(SystemExit, "nowhere.json"):
            self.report("--loops", "nowhere.json")


if __name__ == "__main__":
    unittest.main()
