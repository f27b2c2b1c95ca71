"""The installed package.

  package_test.py SAMPLE CORPUS

SAMPLE is a checkpoint. CORPUS is a folder of hostile files, as make_corpus writes it.
"""

import io
import json
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import aether2onnx
from aether2onnx import _options, _program, _sources

SAMPLE = pathlib.Path(sys.argv[1]).resolve()
CORPUS = pathlib.Path(sys.argv[2]).resolve()
PROGRAM = _program.find_program()


def program(*words):
    """Exit code and JSON of the program itself."""
    done = subprocess.run([PROGRAM, *map(str, words), "--json", "--quiet"], capture_output=True, stdin=subprocess.DEVNULL)
    return done.returncode, json.loads(done.stdout)


class Array:
    """As much of an array as the package needs."""

    class Type:
        def __init__(self, text):
            self.str = text

        def newbyteorder(self, order):
            return Array.Type(order + self.str[1:] if self.str[0] != "|" else self.str)

    def __init__(self, kind, shape, content):
        self.dtype, self.shape, self._content, self.nbytes = Array.Type(kind), shape, content, len(content)

    def astype(self, kind, copy):
        return self

    def tobytes(self):
        return self._content


def arrays_of(safetensors):
    size = int.from_bytes(safetensors[:8], "little")
    header = json.loads(safetensors[8 : 8 + size])
    kinds = {"F32": "<f4", "I64": "<i8"}
    return {
        name: Array(kinds[entry["dtype"]], entry["shape"], safetensors[8 + size :][slice(*entry["data_offsets"])])
        for name, entry in header.items()
        if name != "__metadata__"
    }


class Package(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.folder = pathlib.Path(self.temporary.name)

    def model(self, *words):
        output = self.folder / "expected.onnx"
        subprocess.run([PROGRAM, SAMPLE, output, "--quiet", *words], check=True, stdin=subprocess.DEVNULL)
        return output.read_bytes()

    def test_a_path_converts_to_the_bytes_of_the_program(self):
        output = self.folder / "模型.onnx"
        seen = []
        result = aether2onnx.convert(SAMPLE, output, fp_mode="fp16", shape="1x3xHxW", progress=seen.append)
        expected = self.model("--fp_mode", "fp16", "--shape", "1x3xHxW")
        self.assertEqual(output.read_bytes(), expected)
        self.assertEqual((result.onnx, result.path, result.scale), (expected, output, 2))
        self.assertEqual(result.metadata["source_name"], SAMPLE.name)
        self.assertEqual(result.network["model_type"], "aether_small")
        self.assertIn("written", [step.step for step in seen])
        self.assertTrue(all(0 <= step.share <= 1 for step in seen))

    def test_bytes_and_files(self):
        expected = self.model()
        content = SAMPLE.read_bytes()
        with open(SAMPLE, "rb") as file:
            sources = [content, bytearray(content), memoryview(content), io.BytesIO(content), file, str(SAMPLE)]
            for source in sources:
                result = aether2onnx.convert(source, name=SAMPLE.name)
                self.assertEqual(result.onnx, expected, type(source))
                self.assertIsNone(result.path)

    def test_a_state_dict_differs_in_the_name_of_its_source_alone(self):
        state_dict = arrays_of(aether2onnx.fuse(SAMPLE, format="safetensors").checkpoint)

        class Module:
            def state_dict(self):
                return state_dict

        expected = aether2onnx.convert(SAMPLE, fp_mode="fp16")
        for source in (state_dict, Module()):
            result = aether2onnx.convert(source, fp_mode="fp16", name="epoch 40")
            different = {key for key in result.metadata if result.metadata[key] != expected.metadata.get(key)}
            self.assertEqual(different, {"source_name", "source_sha256"})
            self.assertEqual(result.metadata["source_name"], "epoch 40.safetensors")
            # The metadata are at the end of the file.
            self.assertEqual(result.onnx[:-1000], expected.onnx[: len(result.onnx) - 1000])
        with self.assertRaisesRegex(TypeError, "whole checkpoint"):
            aether2onnx.convert({"params": state_dict})
        with self.assertRaisesRegex(TypeError, "not a tensor"):
            aether2onnx.convert({"a": 3})

    def test_errors_are_exceptions_with_the_code_of_the_program(self):
        output = self.folder / "model.onnx"
        cases = [
            (dict(fp_mode="fp8"), aether2onnx.UsageError, "option-choice", "fp_mode"),
            (dict(scale=3), aether2onnx.UnsupportedError, None, None),
            (dict(unknown=1), aether2onnx.UsageError, "option-unknown", "unknown"),
        ]
        for options, kind, code, subject in cases:
            with self.assertRaises(aether2onnx.Aether2OnnxError) as raised:
                aether2onnx.convert(SAMPLE, output, **options)
            words = [f"--{name}={value}" for name, value in options.items()]
            _, report = program(SAMPLE, output, *words)
            self.assertEqual(raised.exception.code, report["error"]["code"])
            self.assertEqual(raised.exception.subject, report["error"]["subject"])
            if code:
                self.assertIsInstance(raised.exception, kind)
                self.assertEqual((raised.exception.code, raised.exception.subject), (code, subject))
            self.assertNotIn("--" + next(iter(options)), raised.exception.message)
            self.assertFalse(output.exists())
        with self.assertRaises(aether2onnx.FileAccessError) as raised:
            aether2onnx.convert(self.folder / "none.pth")
        self.assertEqual(raised.exception.code, "file-missing")
        again = pickle.loads(pickle.dumps(raised.exception))
        self.assertEqual((type(again), again.code, str(again)), (type(raised.exception), "file-missing", str(raised.exception)))

    def test_the_other_calls(self):
        model = aether2onnx.convert(SAMPLE).onnx
        self.assertEqual(aether2onnx.inspect(SAMPLE).network["scale"], 2)
        self.assertEqual(len(aether2onnx.inspect(SAMPLE, tensors=True).tensors), 172)
        self.assertEqual(aether2onnx.inspect(model).onnx["metadata"]["scale"], "2")
        self.assertTrue(aether2onnx.scan(SAMPLE).clean)
        self.assertEqual(aether2onnx.scan(b"\x80\x04cposix\nsystem\nX\x02\x00\x00\x00id\x85R.").result, "found")
        check = aether2onnx.check(model, ["tensorrt:10", "onnxruntime"])
        self.assertTrue(check.ok)
        fused = self.folder / "fused.pth"
        self.assertTrue(aether2onnx.fuse(SAMPLE, fused).path.exists())
        try:
            aether2onnx.verify(model, SAMPLE)
        except aether2onnx.VerificationError as error:
            self.assertEqual(error.code, "verification-unavailable")

    def test_the_options_are_those_of_the_program(self):
        left_out = {"json", "quiet", "verbose", "supervised", "help", "help-all", "version", "config", "for", "against", "tensors",
                    "input_model_path", "output_onnx_path", "output_model_path",
                    # of several checkpoints, or without a result
                    "output_dir", "name_template", "jobs", "skip_existing", "dry_run", "keep_failed"}
        for command, options in (
            ("convert", _options.ConvertOptions), ("fuse", _options.FuseOptions), ("inspect", _options.InspectOptions),
            ("scan", _options.ScanOptions), ("check", _options.CheckOptions), ("verify", _options.VerifyOptions),
        ):
            for option in ("--help-all", "--help"):
                text = subprocess.run([PROGRAM, command, option], capture_output=True).stdout.decode()
                if text:
                    break
            known = {word.split()[0][2:].rstrip(",") for word in text.splitlines() for word in [word.strip()]
                     if word.startswith("--")}
            ours = {{"limits": "limit", "shapes": "shape"}.get(name, name) for name in options.__annotations__}
            self.assertEqual(known - left_out, ours - left_out, command)

    def test_a_callback_that_raises_cancels(self):
        def stop(step):
            raise KeyError("enough")

        output = self.folder / "new" / "model.onnx"
        with self.assertRaises(KeyError):
            aether2onnx.convert(SAMPLE, output, progress=stop)
        time.sleep(0.1)
        self.assertEqual(os.listdir(self.folder), [])

    def test_hostile_files_from_four_threads(self):
        files = sorted(path for path in CORPUS.rglob("*") if path.is_file() and path.stat().st_size < 1 << 20)
        files = files[:: max(1, len(files) // 100)][:110]
        self.assertGreaterEqual(len(files), 100)
        verdicts, lock = {}, threading.Lock()

        def work(share):
            for path in share:
                try:
                    answer = aether2onnx.inspect(path).network is not None
                except aether2onnx.Aether2OnnxError as error:
                    answer = error.code
                with lock:
                    verdicts[path] = (answer, aether2onnx.scan(path).result)

        threads = [threading.Thread(target=work, args=(files[number::4],)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for path in files:
            _, report = program("inspect", path)
            expected = report["error"]["code"] if "error" in report else report["network"] is not None
            _, scanned = program("scan", path)
            self.assertEqual(verdicts[path], (expected, scanned["results"][0]["result"]), path)

    @unittest.skipIf(os.name == "nt", "signals")
    def test_a_killed_python_leaves_no_process(self):
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        # The program waits for its options, which come from a pipe that nobody writes to.
        code = f"from aether2onnx import _program; _program.run(['inspect', {str(SAMPLE)!r}, '--config={fifo}'])"
        caller = subprocess.Popen([sys.executable, "-c", code])
        deadline = time.monotonic() + 30
        children = []
        while not children and time.monotonic() < deadline:
            children = pathlib.Path(f"/proc/{caller.pid}/task/{caller.pid}/children").read_text().split()
            time.sleep(0.05)
        self.assertTrue(children)
        time.sleep(0.5)
        caller.send_signal(signal.SIGKILL)
        caller.wait()
        while pathlib.Path(f"/proc/{children[0]}/exe").exists() and os.path.exists(f"/proc/{children[0]}/stat"):
            state = pathlib.Path(f"/proc/{children[0]}/stat").read_text().rsplit(")", 1)[1].split()[0]
            if state in "ZX":
                break
            self.assertLess(time.monotonic(), deadline, "the program outlived its caller")
            time.sleep(0.05)

    def test_the_program_as_a_module(self):
        done = subprocess.run([sys.executable, "-m", "aether2onnx", "--version"], capture_output=True, check=True)
        self.assertEqual(done.stdout.decode().split(), ["aether2onnx", aether2onnx.__version__])
        done = subprocess.run([sys.executable, "-m", "aether2onnx", "none.pth"], capture_output=True)
        self.assertEqual(done.returncode, 1)

    def test_a_program_of_another_system_says_so(self):
        other = self.folder / "aether2onnx"
        other.write_bytes(b"\x7fELF of another kind")
        other.chmod(0o755)
        environment = {**os.environ, "AETHER2ONNX_PROGRAM": str(other)}
        code = "import aether2onnx\ntry: aether2onnx.scan('x')\nexcept aether2onnx.ProgramMissingError as e: print(e.code)"
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
        self.assertEqual(done.stdout.decode().strip(), "python-program-system", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
