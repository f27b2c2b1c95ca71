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

The script `scripts/error_codes.py` makes the table of errors and warnings from the source code. Other programs can rely
on an error code, because the code keeps its meaning in all versions with the same MAJOR number
([versioning.md](versioning.md)). The table's column "sentence" has the first sentence of each message, with `{}` in
place of a name or number. With `--json`, the program prints an error in the field `error` and warnings in the field
`warnings`. [check.md](check.md) lists the findings of `check`, and [security.md](security.md) lists the findings of
`scan`.

| code | kind | sentence |
| --- | --- | --- |
"""
CALL = re.compile(r"\b(fail|Error|ProgramError|warn|warning|usage_error|note|malformed|irregular|irregular_at|mismatch|damaged\w*)\s*\(")
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')

# Errors and warnings whose whole text comes from elsewhere at run time.
VARYING = {
    "file-place": "a folder can't be created or written to.",
    "network-contradiction": "two facts in the checkpoint contradict each other.",
    "network-expectations": "an option does not agree with the checkpoint.",
    "network-open-question": "the checkpoint leaves a fact about the network open.",
    "option-choice": "the value is none of the option's choices.",
    "option-name-template": "the template for names is malformed.",
    "option-number": "the value is no number, or the number is too large or too small.",
    "option-value": "an option is missing, or its value is not of the expected form.",
    "state-dict-params-key": "the file has no state dict under the given key.",
    "verification-unavailable": "the part of the program that compares models can't be loaded.",
    "verify-device": "the requested device can't be used.",
}


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


def first_sentence(expression, others, before):
    """The first sentence of the message `expression`. `others` are its arguments, `before` is the code before it."""
    if re.fullmatch(r"\w+", expression):  # a variable: take the text that it begins with
        *_, declaration = re.finditer(rf"\bstring {expression} ?[=(]", before)
        begin = before[declaration.end():]
        expression = begin.split(";")[0]
        if "format(" in expression:
            expression, *others = arguments(begin, begin.index("format(") + len("format("))
    text = "".join(LITERAL.findall(expression)).replace('\\"', '"').replace("\\\\", "\\").split("\\n")[0]
    text = re.sub(r"\{[^{}]*\}", "{}", text)
    text = text.replace("{{", "{").replace("}}", "}")
    text = re.sub(r"^(TensorRT )?((--\w+|\{\})[ =:]*)*(--\w+|\{\}): (?=\S)", "", text)  # the file or option in front
    if re.fullmatch(r"(\{\}\W*)*", text):  # an argument has the sentence
        text = next((found for other in others for found in LITERAL.findall(other) if " " in found), "")
    return re.split(r"(?<=\.)\s", text)[0].rstrip(":").replace("|", "\\|")


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
            expression, others = values[1] if len(values) > 1 else "", values[2:]
            if not first.startswith("{"):  # Diagnostic{code, subject, expected, found, text}
                parts = arguments(where, where.index("{") + 1)
                expression, others = parts[4] if len(parts) > 4 else parts[-1], []
                if "format(" in expression:
                    expression, *others = arguments(expression, expression.index("format(") + len("format("))
            sentence = VARYING.get(code.group(1)) or first_sentence(expression, others, text[:call.start()])
            row = rows.setdefault(code.group(1), (kind.group(1) if kind else "warning", sentence))
            if not row[1]:
                row = rows[code.group(1)] = (row[0], sentence)
            if kind and row[0] != kind.group(1) and row[0] != "warning":
                rows[code.group(1)] = (f"{row[0]}, {kind.group(1)}" if kind.group(1) not in row[0] else row[0], row[1])
    page = HEAD + "".join(f"| `{code}` | {kind} | {text} |\n" for code, (kind, text) in sorted(rows.items()))
    if "--check" not in sys.argv:
        sys.stdout.write(page)
        return 0
    for place in uncoded:
        print(f"{place}: an error without a code")
    unreadable = [code for code, (_, text) in rows.items() if not text]
    for code in unreadable:
        print(f"{code} has no sentence; add the code to VARYING in scripts/error_codes.py")
    file = ROOT / "docs" / "errors.md"
    if not file.exists() or file.read_text() != page:
        print("docs/errors.md is out of date: scripts/error_codes.py >docs/errors.md")
        return 1
    return 1 if uncoded or unreadable else 0


if __name__ == "__main__":
    sys.exit(main())
