#!/usr/bin/python3
"""Prints the CycloneDX list of what is inside the programs: sbom.py VERSION. The same commit gives the same text."""
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout.strip()


def debian(package, name, licence):
    version = output("dpkg-query", "-W", "-f", "${source:Version}", package)
    source = output("dpkg-query", "-W", "-f", "${source:Package}", package)
    return component(name, version, licence, f"pkg:deb/debian/{source}@{version}?arch=source")


def component(name, version, licence, purl):
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "licenses": [{"license": {"id": licence}} if " " not in licence else {"expression": licence}],
        "purl": purl,
    }


def constant(file, name):
    return re.search(rf"^{name}=(\S+)", (ROOT / file).read_text(), re.M).group(1)


def main():
    version = sys.argv[1]
    commit = output("git", "rev-parse", "HEAD")
    zig = constant("scripts/fetch_portable.sh", "zig_version")
    libdeflate = re.search(
        r'LIBDEFLATE_VERSION_STRING\s+"([^"]+)"', (ROOT / ".deps/portable/libdeflate/libdeflate.h").read_text()
    ).group(1)
    compiler = component("zig", zig, "MIT", f"pkg:pypi/ziglang@{zig}")
    compiler["description"] = "The compiler; its compiler-rt, LLVM's libc++ and, on Windows, mingw-w64 are inside"
    compiler["hashes"] = [{"alg": "SHA-256", "content": constant("scripts/fetch_portable.sh", "zig_sha256")}]
    when = datetime.datetime.fromtimestamp(
        int(os.environ.get("SOURCE_DATE_EPOCH") or output("git", "log", "-1", "--format=%ct")), datetime.timezone.utc
    )
    parts = [
        debian("libfmt-dev", "fmt", "MIT"),
        debian("nlohmann-json3-dev", "nlohmann-json", "MIT"),
        debian("libcli11-dev", "CLI11", "BSD-3-Clause"),
        debian("libprotozero-dev", "protozero", "BSD-2-Clause"),
        component("libdeflate", libdeflate, "MIT", f"pkg:deb/debian/libdeflate@{libdeflate}?arch=source"),
        component("libc++", f"of zig {zig}", "Apache-2.0 WITH LLVM-exception", f"pkg:generic/libcxx@zig-{zig}"),
        compiler,
    ]
    print(
        json.dumps(
            {
                "bomFormat": "CycloneDX",
                "specVersion": "1.5",
                "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, 'aether2onnx/' + commit)}",
                "version": 1,
                "metadata": {
                    "timestamp": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "component": {
                        "type": "application",
                        "bom-ref": "aether2onnx",
                        "name": "aether2onnx",
                        "version": version,
                        "licenses": [{"license": {"id": "MIT"}}],
                    },
                },
                "components": parts,
                "dependencies": [{"ref": "aether2onnx", "dependsOn": [part["bom-ref"] for part in parts]}],
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
