"""A session on Windows, under wine: what people do with the program there.

  session_test.py PROGRAMS NATIVE_PROGRAM SAMPLE ONNXRUNTIME.dll

PROGRAMS is the folder of the Windows programs, NATIVE_PROGRAM the program for this system, SAMPLE a checkpoint.
ONNXRUNTIME.dll is the library for verification.
WINEPREFIX names a folder for wine's own files.
"""

import glob
import json
import os
import pathlib
import pty
import select
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAMS, NATIVE, SAMPLE, ONNXRUNTIME = (pathlib.Path(p).resolve() for p in sys.argv[1:5])
WINE = shutil.which("wine64") or "/usr/lib/wine/wine64"
PROGRAM = PROGRAMS / "aether2onnx.exe"
CONTROL_C = 0xC000013A & 0xFF  # as much of the exit code as this system keeps
os.environ.update(WINEDEBUG="-all", WINEDLLOVERRIDES="mscoree=,mshtml=")
os.environ.pop("MSYSTEM", None)
os.environ.pop("PROMPT", None)


def windows_path(path):
    return "Z:" + str(path).replace("/", "\\")


class Session(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.temporary.name)
        shutil.copy(SAMPLE, self.folder / "net.pth")

    def tearDown(self):
        left = [f for f in glob.glob(f"{self.folder}/**/.aether2onnx*", recursive=True)]
        self.temporary.cleanup()
        self.assertEqual(left, [])

    def run_program(self, *words, program=PROGRAM, environment=None, **more):
        return subprocess.run(
            [WINE, str(program), *map(str, words)],
            cwd=self.folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
            **more,
        )

    def succeeds(self, *words, **more):
        done = self.run_program(*words, **more)
        self.assertEqual(done.returncode, 0, (words, done.stdout, done.stderr))
        return done.stdout.decode()

    def fails(self, code, *words, **more):
        before = sorted(os.listdir(self.folder))
        done = self.run_program(*words, "--json", **more)
        self.assertNotEqual(done.returncode, 0, words)
        self.assertEqual(json.loads(done.stdout)["error"]["code"], code, done.stderr)
        self.assertEqual(sorted(os.listdir(self.folder)), before)
        return done.stderr.decode()

    def native(self, name="net.pth"):
        output = self.folder / "native.onnx"
        subprocess.run([NATIVE, self.folder / name, output, "--quiet"], check=True)
        content = output.read_bytes()
        output.unlink()
        return content

    def test_the_same_bytes_under_any_name(self):
        for name in ("plain.pth", "模型 ü.pth", "𝔘nicode & more!.pth", "%PATH% 'x'.pth"):
            (self.folder / name).write_bytes(SAMPLE.read_bytes())
            text = self.succeeds(name)
            self.assertNotIn("\r", text)
            made = self.folder / f"2x_{name[:-4]}_fp32_1x3x64x64_op17.onnx"
            self.assertEqual(made.read_bytes(), self.native(name), name)
            self.assertIn(str(made.name), text)

    def test_dropped_files_and_folders(self):
        folder = self.folder / "Neuer Ordner"
        folder.mkdir()
        for name in ("a.pth", "b.pth"):
            shutil.copy(SAMPLE, folder / name)
        self.succeeds(windows_path(folder / "a.pth"))
        self.assertEqual(len(list(folder.glob("*.onnx"))), 1)
        self.succeeds(windows_path(folder))
        self.assertEqual(len(list(folder.glob("*.onnx"))), 2)
        for made in folder.glob("*.onnx"):
            made.unlink()
        self.succeeds(windows_path(folder / "a.pth"), windows_path(folder / "b.pth"))
        self.assertEqual(len(list(folder.glob("*.onnx"))), 2)

    def test_paths(self):
        sub = self.folder / "sub"
        sub.mkdir()
        self.succeeds("net.pth", "sub/forward.onnx")
        self.succeeds("net.pth", "sub\\new\\back.onnx")
        self.succeeds("net.pth", windows_path(sub / "drive.onnx"))
        self.succeeds("net.pth", windows_path(sub / "rooted.onnx")[2:])
        self.succeeds("net.pth", "\\\\?\\" + windows_path(sub / "long form.onnx"))
        self.succeeds("Z:net.pth", "sub\\.\\..\\sub\\relative.onnx")
        names = {f.name for f in sub.rglob("*.onnx")}
        self.assertEqual(
            names, {"forward.onnx", "back.onnx", "drive.onnx", "rooted.onnx", "long form.onnx", "relative.onnx"}
        )
        long = "\\".join(["a folder with a rather long name " + "x" * 60] * 5) + "\\model.onnx"
        self.succeeds("net.pth", long)
        self.assertEqual((self.folder / long.replace("\\", "/")).read_bytes(), self.native())
        self.assertIn("2 clean", self.succeeds("scan", "n*.pth", "net.pth"))
        self.fails("file-missing", "none*.pth", "x.onnx")

    def test_names_that_windows_cannot_hold(self):
        for name in ("con.onnx", "NUL", "com1.x.onnx", "sub\\lpt9.onnx", "a?b.onnx", "ab:c.onnx", "end.onnx.", "a|b.onnx"):
            self.fails("file-name", "net.pth", "--output_onnx_path", name)
        self.fails("file-place", "net.pth", "aux\\model.onnx")
        self.fails("file-not-regular", "nul", "model.onnx")
        self.fails("option-name-template", "net.pth", "--output_dir", "out", "--name_template", "{stem}:{scale}.onnx")

    def test_the_input_is_never_replaced(self):
        os.link(self.folder / "net.pth", self.folder / "hard.onnx")
        os.symlink("net.pth", self.folder / "soft.onnx")
        for name in ("net.pth", "NET.PTH", ".\\Net.pth", "hard.onnx", "soft.onnx", windows_path(self.folder / "nEt.pth")):
            self.fails("file-is-input", "--input_model_path", "net.pth", "--output_onnx_path", name)
        self.assertEqual((self.folder / "net.pth").read_bytes(), SAMPLE.read_bytes())

    def hold(self, name):
        holder = subprocess.Popen(
            [WINE, str(PROGRAMS / "hold_file.exe"), name],
            cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        self.addCleanup(holder.communicate)
        self.assertEqual(holder.stdout.readline().strip(), b"held")
        return holder

    def test_files_that_another_program_has_open(self):
        model = self.folder / "model.onnx"
        model.write_bytes(b"old")
        holder = self.hold("model.onnx")
        self.assertIn("another program has the file open", self.fails("file-in-use", "net.pth", "model.onnx"))
        holder.communicate()
        self.assertEqual(model.read_bytes(), b"old")
        self.succeeds("net.pth", "model.onnx")
        self.assertEqual(model.read_bytes(), self.native())
        holder = self.hold("net.pth")
        self.fails("file-locked", "net.pth", "other.onnx")
        holder.communicate()

    def test_a_read_only_file_stays(self):
        model = self.folder / "model.onnx"
        model.write_bytes(b"old")
        model.chmod(0o444)
        self.fails("file-read-only", "net.pth", "model.onnx")
        self.assertEqual(model.read_bytes(), b"old")

    def test_lines_end_as_they_like(self):
        (self.folder / "run.toml").write_bytes(b'fp_mode = "fp16"\r\nopset_version = 18\r\n')
        self.succeeds("net.pth", "--config", "run.toml")
        self.assertTrue((self.folder / "2x_net_fp16_1x3x64x64_op18.onnx").exists())

    def test_commands_for_the_shell_at_hand(self):
        shutil.copy(SAMPLE, self.folder / "a b.pth")
        powershell = self.succeeds("a b.pth")
        self.assertIn("& '", powershell)
        cmd = self.succeeds("a b.pth", environment={"PROMPT": "$P$G"})
        self.assertIn('"2x_a b_fp32_1x3x64x64_op17.onnx"', cmd)
        bash = self.succeeds("a b.pth", environment={"MSYSTEM": "MINGW64"})
        self.assertIn("--onnx='2x_a b_fp32_1x3x64x64_op17.onnx'", bash.replace("'--onnx=", "--onnx='"))

    def terminal(self, *words):
        """Runs the program in a terminal and yields (all text so far) until it ends; then its exit code."""
        process, terminal = pty.fork()
        if process == 0:
            os.chdir(self.folder)
            os.execv(WINE, [WINE, str(PROGRAM), *words])
        return process, terminal

    def test_control_c_in_the_middle(self):
        for number in range(100):
            os.link(self.folder / "net.pth", self.folder / f"n{number:03}.pth")
        process, terminal = self.terminal(".", "--jobs", "1")
        text, pressed = b"", False
        deadline = time.monotonic() + 100
        while time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.05)[0]:
                try:
                    text += os.read(terminal, 4096)
                except OSError:
                    break
            if not pressed and len(list(self.folder.glob("*.onnx"))) > 2:
                os.write(terminal, b"\x03")
                pressed = True
        _, status = os.waitpid(process, 0)
        os.close(terminal)
        self.assertEqual(os.waitstatus_to_exitcode(status), CONTROL_C, text[-2000:])
        self.assertIn(b"converting", text)  # progress, as on any terminal
        made = sorted(self.folder.glob("*.onnx"))
        self.assertLess(len(made), 100)
        for model in made[-2:]:
            self.assertEqual(model.read_bytes(), self.native(model.name.split("_")[1] + ".pth"))

    def test_the_end_of_input_cancels(self):
        (self.folder / "net.onnx").write_bytes(self.native())
        process = subprocess.Popen(
            [WINE, str(PROGRAM), "engine", "net.onnx", "--trtexec", windows_path(PROGRAMS / "fake_trtexec.exe"),
             "--run", "--supervised", "--json"],
            cwd=self.folder, env={**os.environ, "FAKE_TRTEXEC": windows_path(self.folder / "held")},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        self.addCleanup(process.communicate)
        deadline = time.monotonic() + 60
        log = self.folder / "held"
        while not log.exists() and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.1)
        time.sleep(0.5)
        tries = self.run_program("held", "try", program=PROGRAMS / "hold_file.exe")
        self.assertEqual(tries.returncode, 1)  # both processes of the stand-in hold the file
        process.stdin.close()
        process.stdin = None
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, CONTROL_C)
        deadline = time.monotonic() + 20
        while self.run_program("held", "try", program=PROGRAMS / "hold_file.exe").returncode != 0:
            self.assertLess(time.monotonic(), deadline, "a process was left behind")
            time.sleep(0.2)

    def test_verification(self):
        text = self.fails("verification-unavailable", "net.pth", "net.onnx", "--verify_onnx")
        self.assertIn("onnxruntime.dll", text)
        library = ("--onnxruntime_library", windows_path(ONNXRUNTIME))
        text = self.succeeds("net.pth", "net.onnx", "--verify_onnx", *library)
        self.assertIn("ONNX Runtime 1.20", text)
        self.assertIn("built-in reference", text)
        self.assertIn("equal", text)
        self.assertEqual((self.folder / "net.onnx").read_bytes(), self.native())
        # ONNX Runtime beside the program is found without the option.
        beside = self.folder / "programs"
        beside.mkdir()
        shutil.copy(PROGRAM, beside)
        shutil.copy(ONNXRUNTIME, beside / "onnxruntime.dll")
        self.succeeds("net.pth", "half.onnx", "--fp_mode", "fp16", "--quiet")
        self.succeeds("verify", "half.onnx", "--against", "net.pth", "--report", "report.html",
                      program=beside / "aether2onnx.exe")
        self.assertIn("<html", (self.folder / "report.html").read_text(encoding="utf-8"))

    def test_an_engine_is_built(self):
        self.succeeds("net.pth", "net.onnx", "--quiet")
        trtexec = windows_path(PROGRAMS / "fake_trtexec.exe")
        text = self.succeeds("engine", "net.onnx", "--trtexec", trtexec, "--run", "--save_engine", "a b.engine")
        self.assertIn("a b.engine", text)
        self.assertEqual((self.folder / "a b.engine").stat().st_size, 4096)
        self.assertIn(b"[TensorRT v100300]", (self.folder / "a b.engine.log").read_bytes())
        (self.folder / "evil.bat").write_text("echo %*")
        self.fails("engine-no-trtexec", "engine", "net.onnx", "--trtexec", "evil.bat", "--run")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
