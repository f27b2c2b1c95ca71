#!/usr/bin/python3
"""Lists the codes of all errors and warnings in the sources, as docs/errors.md has them.

  error_codes.py            prints docs/errors.md
  error_codes.py --check    ends with 1 if docs/errors.md is out of date, or an error has no code
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("src", "judge", "verify", "cli")
HEAD = """# Codes of errors and warnings

`scripts/error_codes.py` makes this table from the sources. A code is stable: programs can rely on it. The
sentence is the first one that a person reads; `{}` stands for a name or number. Errors are in the JSON output
under `error`, warnings under `warnings`. Findings of `check` are in [check.md](check.md), findings of `scan` in
[security.md](security.md).

| code | kind | sentence |
| --- | --- | --- |
"""
CALL = re.compile(r"\b(fail|Error|ProgramError|warn|warning|usage_error|note|malformed|mismatch|damaged\w*)\s*\(")
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')


def arguments(text, start):
    """The arguments of the call whose parenthesis opens before `start`, as texts."""
    depth, begin, result, i = 0, start, [], start
    while i < len(text):
        c = text[i]
        if c == '"':
            i = LITERAL.match(text, i).end()
            continue
        if c == "'":
            i = text.index("'", i + 2 if text[i + 1] == "\\" else i + 1)
        elif c in "({[":
            depth += 1
        elif c in ")}]":
            if depth == 0:
                return result + [text[begin:i].strip()]
            depth -= 1
        elif c == "," and depth == 0:
            result.append(text[begin:i].strip())
            begin = i + 1
        i += 1
    return result


def first_sentence(expression):
    literals = LITERAL.findall(expression)
    text = "".join(literals).replace('\\"', '"').replace("\\\\", "\\").split("\\n")[0]
    text = re.sub(r"\{[^{}]*\}", "{}", text)
    text = re.sub(r"^(TensorRT )?(\{\}[ =:]*)*\{\}: (?=\S)", "", text)  # the file or option in front
    return re.split(r"(?<=[.:])\s", text)[0].replace("|", "\\|") if text else ""


def main():
    rows, uncoded = {}, []
    for path in sorted(p for folder in FOLDERS for p in (ROOT / folder).rglob("*") if p.suffix in (".cpp", ".h")):
        text = re.sub(r"//[^\n]*", "", path.read_text())
        for call in CALL.finditer(text):
            values = arguments(text, call.end())
            place = f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, call.start()) + 1}"
            if not values:
                continue
            name, first = call.group(1), values[0]
            kind = re.match(r"\{?\s*(?:\.kind\s*=\s*)?ErrorKind::(\w+)", first)
            if name == "ProgramError":  # its kinds are the program's own, as texts
                kind = LITERAL.match(first)
            if not kind and not first.startswith("{"):
                continue
            where = first if first.startswith("{") else ", ".join(values[1:2])
            code = re.search(r'"([a-z0-9]+(?:-[a-z0-9]+)+|cancelled|internal)"', where)
            if not code:
                if kind and "std::move(" not in where:
                    uncoded.append(place)
                continue
            sentences = ", ".join(values[1:2] if first.startswith("{") else [where[code.end():].split("format(")[-1]])
            row = rows.setdefault(code.group(1), (kind.group(1) if kind else "warning", first_sentence(sentences)))
            if kind and row[0] != kind.group(1) and row[0] != "warning":
                rows[code.group(1)] = (f"{row[0]}, {kind.group(1)}" if kind.group(1) not in row[0] else row[0], row[1])
    page = HEAD + "".join(f"| `{code}` | {kind} | {text} |\n" for code, (kind, text) in sorted(rows.items()))
    if "--check" not in sys.argv:
        sys.stdout.write(page)
        return 0
    for place in uncoded:
        print(f"{place}: an error without a code")
    file = ROOT / "docs" / "errors.md"
    if not file.exists() or file.read_text() != page:
        print("docs/errors.md is out of date: scripts/error_codes.py >docs/errors.md")
        return 1
    return 1 if uncoded else 0


if __name__ == "__main__":
    sys.exit(main())
