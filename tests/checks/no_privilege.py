"""No privilege, ever: neither the sources nor the binary's imported symbols know such calls.

usage: no_privilege.py SOURCE_DIR BINARY
"""
import pathlib
import re
import subprocess
import sys

CALLS = ["mount", "umount", "umount2", "fsmount", "fsopen", "move_mount", "open_tree", "pivot_root",
         "chroot", "unshare", "setns", "clone3", "capset", "cap_set_proc", "setuid", "setgid",
         "seteuid", "setegid", "setresuid", "setresgid", "setgroups", "mknod", "mknodat", "ptrace",
         "init_module", "kexec_load", "swapon", "fanotify_init", "bpf", "system", "popen", "execve",
         "execvp", "posix_spawn"]
# A library is loaded in one place, from a path that no store and no environment has a say in.
LOADER = "src/store/backend_library.cc"
WORDS = [r"CLONE_NEW\w+", r"CAP_SYS_\w+", r"\boverlayfs\b", r"SYS_(mount|unshare|setns|bpf)\b"]


def source_problems(root):
    pattern = re.compile(r"(?:::|\b)(" + "|".join(CALLS + ["dlopen"]) + r")\s*\(")
    for folder in ("src", "include"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in (".h", ".cc") or path.name.endswith("_test.cc"):
                continue
            text = re.sub(r"//[^\n]*", "", path.read_text())
            for call in pattern.findall(text):
                if call == "dlopen" and str(path.relative_to(root)) == LOADER:
                    continue
                yield f"{path.relative_to(root)}: calls {call}"
            for word in WORDS:
                for found in re.findall(word, text):
                    yield f"{path.relative_to(root)}: mentions {found}"


def imported(binary):
    listing = subprocess.run(["nm", "-D", "--undefined-only", binary], check=True,
                             capture_output=True, text=True).stdout
    return {line.split()[-1].split("@")[0] for line in listing.splitlines() if line.strip()}


def main():
    root, binary = pathlib.Path(sys.argv[1]), sys.argv[2]
    problems = list(source_problems(root))
    symbols = imported(binary)
    if "openat" not in symbols and "openat64" not in symbols:
        problems.append("the list of imported symbols looks wrong: no openat in it")
    sanitized = any(symbol.startswith(("__asan", "__tsan")) for symbol in symbols)
    if not sanitized:  # sanitizers bring imports of their own
        problems += [f"{binary} imports {call}" for call in CALLS if call in symbols]
    print("\n".join(problems) or f"{len(symbols)} imported symbols, none of them privileged")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
