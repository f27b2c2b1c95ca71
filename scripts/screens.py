#!/usr/bin/python3
"""Makes docs/screens.md: what the program prints.

  screens.py PROGRAM MAKE_SAMPLE            prints docs/screens.md
  screens.py PROGRAM MAKE_SAMPLE --check    ends with 1 if docs/screens.md is out of date

Numbers that depend on the machine (times, rounding errors) and versions of libraries count as equal.
"""
import difflib
import html.parser
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "screens.md"
WIDTH = 116


class Text(html.parser.HTMLParser):
    """The text of a report: a line a paragraph, a table row in columns."""

    BREAKS = {"h1", "h2", "p", "li", "tr", "table", "ul", "figure", "pre"}

    def __init__(self):
        super().__init__()
        self.lines, self.cells, self.silent, self.rows = [], None, False, []

    def handle_starttag(self, tag, attributes):
        self.silent = self.silent or tag in ("style", "svg", "title", "script")
        if tag == "tr":
            self.cells = []
        elif tag in ("td", "th"):
            self.cells.append("")
        elif tag == "img":
            self.lines.append(f"[picture: {dict(attributes)['alt']}]")
        elif tag in self.BREAKS:
            self.lines.append("## " if tag == "h2" else "# " if tag == "h1" else "- " if tag == "li" else "")

    def handle_endtag(self, tag):
        if tag in ("style", "svg", "title", "script"):
            self.silent = False
        elif tag == "tr":
            self.rows.append(self.cells)
            self.cells = None
        elif tag == "table":
            widths = [max(len(row[i]) for row in self.rows if i < len(row)) for i in range(len(self.rows[0]))]
            for row in self.rows:
                self.lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
            self.rows = []

    def handle_data(self, data):
        text = " ".join(data.split())
        if self.silent or not text:
            return
        if self.cells:
            self.cells[-1] += text
        elif self.lines and self.lines[-1] and not self.lines[-1].startswith("[picture"):
            self.lines[-1] += text if self.lines[-1].endswith(" ") else f" {text}"
        else:
            self.lines.append(text)


def report_text(path):
    parser = Text()
    parser.feed(path.read_text())
    lines = [line for line in parser.lines if line.strip() and not line.startswith("[picture")]
    verdict = next(i for i, line in enumerate(lines) if line.startswith("Different"))
    end = next(i for i, line in enumerate(lines) if line.startswith("## Pictures"))
    wrapped = []
    for line in lines[verdict - 1:end]:
        is_row = "  " in line
        wrapped += ["", line] if line.startswith("## ") else [line] if is_row else textwrap.wrap(line, WIDTH)
    return "\n".join(wrapped)


def screens(program, make_sample):
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        subprocess.run([make_sample, str(folder / "model.pth")], check=True)
        shutil.copyfile(ROOT / "examples/picture.png", folder / "photo.png")

        def shown(command):
            done = subprocess.run([program, *command.split()[1:]], cwd=folder, text=True, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            # Slow machines get a line with an estimate.
            lines = [line for line in done.stdout.splitlines() if not line.startswith("upscaling ")]
            output = "\n".join(lines).replace(program, "aether2onnx").rstrip()
            return f"```text\n$ {command}\n{output}\n```\n", done.returncode

        conversion, code = shown("aether2onnx model.pth")
        assert code == 0, conversion
        failed, code = shown("aether2onnx model.pth model.onnx --shape 1x3x24x30 --fp_mode fp16 --verify_onnx --atol 1e-6 "
                             "--rtol 0 --device cpu --reference builtin --report report.html")
        assert code == 1, failed
        upscaled, code = shown("aether2onnx upscale model.pth photo.png --device cpu --compare compare.html")
        assert code == 0, upscaled
        helped, code = shown("aether2onnx help")
        assert code == 0, helped
        return f"""# What the program prints

The script `scripts/screens.py` runs the commands of this page and copies their output. A test compares this page with a
new run of the script, but ignores numbers, such as times, rounding errors and versions of libraries.

## A conversion

{conversion}
## A picture

{upscaled}
## A failed verification

A float16 model cannot keep a tolerance of 1e-6, so the verification in this example fails. After a failed verification,
the program saves no model, ends with exit code 1, and names the block of the network where the error begins or grows
most.

{failed}
### The report of this verification

The option `--report` writes an HTML page with text, and with pictures of the input, the ONNX model's output, PyTorch's
output, and the difference. The first part of the HTML page has this text:

```text
{report_text(folder / "report.html")}
```

## Help

{helped}"""


def without_numbers(text):
    """The text without what differs from machine to machine. Tables keep the order of their columns."""
    text = text.replace("about a second", "about 1 s")
    text = re.sub(r"\d[\d.,]*(e[-+]?\d+)?( (ms|s|dB|%)\b)?", "#", text)
    return re.sub(r"[ ]+", " ", text)


def main():
    page = screens(sys.argv[1], sys.argv[2])
    if sys.argv[3:] != ["--check"]:
        print(page, end="")
        return 0
    difference = list(difflib.unified_diff(without_numbers(PAGE.read_text()).splitlines(),
                                           without_numbers(page).splitlines(), "docs/screens.md", "the program",
                                           lineterm=""))
    print("\n".join(difference) or "docs/screens.md is up to date")
    return 1 if difference else 0


if __name__ == "__main__":
    sys.exit(main())
