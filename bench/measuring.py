"""What the benchmark scripts share: running commands and measuring them, looking at trees."""

import argparse
import collections
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time

SMALL_TOUCH_MB = 256
FREE_MB_LEFT = 512  # with less the kernel begins to look for memory
TOUCH = ("import mmap, sys\n"
         "mmap.mmap(-1, int(sys.argv[1]) << 20,"
         " flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, 'MAP_POPULATE', 0))")

Sample = collections.namedtuple("Sample", "wall cpu peak_mb")


class UsageError(Exception):
    """What was asked for cannot be done; nothing was measured."""


class Failure(Exception):
    """A command failed, or a result is wrong."""


# ---------------------------------------------------------------------------------------------
# Running and measuring


def own_peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def busy_seconds():
    """CPU time that all processes of the machine (and its host, as steal) have taken so far."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _, _, interrupts, soft_interrupts, steal = map(
            int, file.readline().split()[1:9])
    ticks = user + nice + system + interrupts + soft_interrupts + steal
    return ticks / os.sysconf("SC_CLK_TCK")


def shown_peak(megabytes):
    """Linux counts our own peak into that of every child, from before its exec."""
    own = own_peak_mb()
    return f"< {own:.0f}" if megabytes < own * 1.02 else f"{megabytes:.0f}"


def memory_free_mb():
    """What nothing uses, not even as a cache."""
    with open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("MemFree:"):
                return int(line.split()[1]) // 1024
    return 0


class Runner:
    """Runs commands, one at a time, with the clock, the CPU time and the memory of each."""

    def __init__(self, work):
        self.measured_wall = self.others_cpu = 0.0
        self.output = work / "stdout"
        self.errors = work / "stderr"
        home = work / "home"
        home.mkdir()
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(("HELIOS_", "GIT_", "BORG_", "RESTIC_"))}
        self.environment = kept | {
            "LC_ALL": "C", "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"),
            "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1",
            "RESTIC_PASSWORD": "bench", "RESTIC_CACHE_DIR": str(home / "restic"),
            "BORG_BASE_DIR": str(home), "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
            "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes"}

    def run(self, argv, cwd=None):
        """Runs argv (a shell's command line if it is a string); its Sample. Raises Failure."""
        argv = ["/bin/sh", "-c", argv] if isinstance(argv, str) else [str(part) for part in argv]
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        actions = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                   (os.POSIX_SPAWN_OPEN, 1, str(self.output), flags, 0o644),
                   (os.POSIX_SPAWN_OPEN, 2, str(self.errors), flags, 0o644)]
        program = shutil.which(argv[0])
        if program is None:
            raise Failure(f"{argv[0]}: not found")
        home = os.getcwd()
        os.chdir(cwd or home)
        try:
            start = time.perf_counter()
            pid = os.posix_spawn(program, argv, self.environment, file_actions=actions,
                                  setpgroup=0)
            try:
                _, status, usage = os.wait4(pid, 0)
            except BaseException:
                os.killpg(pid, signal.SIGKILL)  # its children too: they write where we delete
                os.waitpid(pid, 0)
                raise
            wall = time.perf_counter() - start
        finally:
            os.chdir(home)
        code = os.waitstatus_to_exitcode(status)
        if code != 0:
            tail = self.errors.read_text(errors="replace")[-600:].strip()
            raise Failure(f"{shlex.join(argv)}: exit status {code}\n{tail}")
        return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6)

    def measure(self, argv, cwd=None, touch_mb=SMALL_TOUCH_MB):
        """run(), but first lets the disk finish what earlier runs left, and touches memory; also
        adds up what the rest of the machine did meanwhile."""
        os.sync()
        self.touch(touch_mb)
        busy = busy_seconds()
        sample = self.run(argv, cwd)
        self.others_cpu += busy_seconds() - busy - sample.cpu
        self.measured_wall += sample.wall
        return sample

    def take_others_share(self):
        """How much of all CPUs others took in measured runs since the last call, or None."""
        wall, others = self.measured_wall, self.others_cpu
        self.measured_wall = self.others_cpu = 0.0
        return max(others, 0.0) / (wall * os.cpu_count()) if wall else None

    def touch(self, megabytes):
        """Takes memory and gives it back at once. A virtual machine's free memory may not be backed
        by its host: the first to touch it waits for that, up to seconds per gigabyte, and a
        ratio would compare those waits. Free memory only: more would take what the next run reads
        from the page cache. Done in a child: our own peak would be seen in every later child's."""
        megabytes = min(megabytes, memory_free_mb() - FREE_MB_LEFT)
        if megabytes > 0:
            subprocess.run([sys.executable, "-IS", "-c", TOUCH, str(megabytes)], check=False)

    def text(self):
        return self.output.read_text(errors="replace")


# ---------------------------------------------------------------------------------------------
# Trees: what is measured, and comparing two


Tree = collections.namedtuple("Tree", "files directories bytes disk_bytes")


def walk(top):
    """Every entry below `top` as (path below it, DirEntry), parents first."""
    pending = [""]
    while pending:
        parent = pending.pop()
        with os.scandir(os.path.join(top, parent)) as entries:
            for entry in entries:
                path = os.path.join(parent, entry.name)
                if entry.is_dir(follow_symlinks=False):
                    pending.append(path)
                yield path, entry


def survey(top):
    """Counts the tree and reads every file once, so that the page cache holds it."""
    files = directories = size = disk = 0
    buffer = bytearray(1 << 20)
    for _, entry in walk(top):
        info = entry.stat(follow_symlinks=False)
        disk += info.st_blocks * 512
        if entry.is_dir(follow_symlinks=False):
            directories += 1
        elif entry.is_file(follow_symlinks=False):
            files += 1
            size += info.st_size
            with open(entry.path, "rb", buffering=0) as file:
                while file.readinto(buffer):
                    pass
    return Tree(files, directories + 1, size, disk)


def forget(top):
    """Takes the tree's files out of the page cache, as far as the disk has them."""
    for _, entry in walk(top):
        if entry.is_file(follow_symlinks=False):
            with open(entry.path, "rb", buffering=0) as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def bytes_below(top):
    return sum(entry.stat(follow_symlinks=False).st_size for _, entry in walk(top)
               if entry.is_file(follow_symlinks=False))


def require_same(expected, actual, times=True):
    """Raises Failure unless both trees have the same names, bytes, permissions and (of files, if
    `times`) times of modification. Returns how many times of folders and links differ."""
    result = subprocess.run(["diff", "-rq", "--no-dereference", str(expected), str(actual)],
                            capture_output=True, text=True, errors="replace", check=False)
    if result.returncode != 0:
        raise Failure(f"{actual} differs from {expected}:\n{(result.stdout + result.stderr)[:600]}")
    other_times = 0
    for path, entry in walk(expected):
        a = entry.stat(follow_symlinks=False)
        b = os.lstat(os.path.join(actual, path))
        if not entry.is_symlink() and (a.st_mode ^ b.st_mode) & 0o777:
            raise Failure(f"{actual}: {path}: mode {b.st_mode:o}, not {a.st_mode:o}")
        if a.st_mtime_ns != b.st_mtime_ns:
            if times and entry.is_file(follow_symlinks=False):
                raise Failure(f"{actual}: {path}: time {b.st_mtime_ns}, not {a.st_mtime_ns}")
            other_times += 1
    return other_times


# ---------------------------------------------------------------------------------------------
# Arguments


def names(known):
    """A parser of NAME[,NAME] for argparse."""
    def parse(text):
        chosen = text.split(",")
        unknown = [name for name in chosen if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(
                f"unknown: {', '.join(unknown)} (of {', '.join(known)})")
        return chosen
    return parse


def positive(text):
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"not a positive number: {text}")
    return int(text)
