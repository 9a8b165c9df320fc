"""Architecture rules that fail the build: which folder may include which, and what no code may do.

usage: layering.py SOURCE_DIR [BINARY]
"""
import pathlib
import re
import sys

# The table of docs/architecture.md: folder -> folders whose headers it may include.
LAYERS = {
    "base": set(),
    "object": {"base"},
    "store": {"base", "object"},
    "store/pack": {"base", "object", "store"},
    "store/memory": {"base", "object", "store"},
    "store/rocksdb": {"base", "object", "store"},
    "vst": {"base", "object", "store"},
    "worktree": {"base", "object", "store", "vst"},
    "history": {"base", "object", "store"},
    "engine": {"base", "object", "store", "vst", "worktree", "history"},
    "cli": set(),
}
# The library never prints and never reads the environment; only the command line does.
FORBIDDEN_IN_LIBRARY = [r"\bstd::cout\b", r"\bstd::cerr\b", r"\bstd::puts\b", r"\bprintf\s*\(",
                        r"\bgetenv\s*\(", r"\bthrow\b"]
# check.h says that there is a bug in Helios, and aborts.
MAY_PRINT = {"base/check.h"}


def folder_of(path):
    parts = path.split("/")
    two = "/".join(parts[:2])
    return two if two in LAYERS else parts[0]


def strip_comments(text):
    return re.sub(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"", "", text, flags=re.S)


def problems_of(root, path):
    relative = path.relative_to(root / "src").as_posix()
    own = folder_of(relative)
    text = path.read_text()
    for include in re.findall(r'^#include "([^"]+)"', text, flags=re.M):
        if include.startswith("helios/"):
            if not (root / "include" / include).exists():
                yield f"{relative}: includes {include}, which does not exist"
            continue
        other = folder_of(include)
        if other != own and other not in LAYERS.get(own, set()):
            yield f"{relative}: {own}/ may not include {include}"
    code = strip_comments(text)
    if own != "cli" and relative not in MAY_PRINT:
        for pattern in FORBIDDEN_IN_LIBRARY:
            if re.search(pattern, code):
                yield f"{relative}: the library may not use {pattern}"
    if own == "cli" and relative != "cli/backends.cc" and re.search(r"\bPackBackend\b", code):
        yield f"{relative}: only cli/backends.cc names backends"
    if own == "engine" and re.search(r"store/(pack|memory|rocksdb)", text):
        yield f"{relative}: the engine knows no backend by name"


# What consumers see: public headers, and the examples that show them how to use these.
def public_problems(root):
    for path in [*sorted((root / "include" / "helios").glob("*.h")),
                 *sorted((root / "examples").glob("*.cc"))]:
        for include in re.findall(r'^#include "([^"]+)"', path.read_text(), flags=re.M):
            if not include.startswith("helios/"):
                yield f"{path.relative_to(root)}: may include public headers only, not {include}"


def main():
    root = pathlib.Path(sys.argv[1])
    sources = [p for p in sorted((root / "src").rglob("*")) if p.suffix in (".h", ".cc")]
    sources = [p for p in sources if not re.search(r"_test\.cc$|testing\.h$|conformance\.h$", p.name)]
    problems = [line for path in sources for line in problems_of(root, path)]
    problems += public_problems(root)
    print("\n".join(problems) or f"{len(sources)} files keep to the layers")
    return 1 if problems or not sources else 0


if __name__ == "__main__":
    sys.exit(main())
