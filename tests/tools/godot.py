"""Unpack Godot 4 and Mesa's software renderers into the user's cache: no GPU, no display and no root needed.

The packages are Debian's, from its newer suites and through the mirror that this machine's apt has already. apt
resolves them as for an empty system, in a folder of its own, so they bring every library down to libc; they are
unpacked and never configured, and a small script starts Godot with those libraries alone. So nothing of the machine's
own is changed, and its own libraries may be older.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from find import cache, place

SUITES = ("testing", "unstable")
"""Tried one after the other: Godot is missing from `testing` now and then."""

PACKAGES = (
    "godot",
    "mesa-vulkan-drivers",
    "libgl1-mesa-dri",
    "libglx-mesa0",
    "libegl-mesa0",
    "libegl1",
    "libgl1",
    "libglx0",
    "libvulkan1",
    "ca-certificates",
)

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
LIBRARIES = "usr/lib/x86_64-linux-gnu"
NEEDED = ("apt-get", "dpkg", "dpkg-deb", "tar")
UNWANTED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", f"{LIBRARIES}/gconv")
"""Folders that are not unpacked."""

START = f"""#!/bin/sh
# Starts Godot with the libraries that were unpacked beside it.
root=$(dirname "$(readlink -f "$0")")/../root
libraries=$root/{LIBRARIES}
export LIBGL_ALWAYS_SOFTWARE=1 GALLIUM_DRIVER=llvmpipe
export LIBGL_DRIVERS_PATH="$libraries/dri" GBM_BACKENDS_PATH="$libraries/gbm"
export __EGL_VENDOR_LIBRARY_DIRS="$root/usr/share/glvnd/egl_vendor.d"
export VK_DRIVER_FILES="$root/usr/share/vulkan/icd.d/lvp_icd.json"
export VK_ICD_FILENAMES="$VK_DRIVER_FILES" # the older name of the same
export XKB_CONFIG_ROOT="$root/usr/share/X11/xkb" FONTCONFIG_PATH="$root/etc/fonts" FONTCONFIG_SYSROOT="$root"
# --library-path is for this process alone: what it starts itself has the machine's own libraries, as it should.
exec "$root/usr/lib64/ld-linux-x86-64.so.2" --library-path "$libraries:$libraries/pulseaudio" \\
  --argv0 "$0" "$root/usr/bin/godot" "$@"
"""


class _Problem(Exception):
    """One line that says why Godot cannot be installed."""


def install() -> str | None:
    """Install Godot where it is not in the cache yet; return one line that says why it could not, or None."""
    if absent := [program for program in NEEDED if not shutil.which(program)]:
        return f"there is no {absent[0]} here (install Godot 4.4 or newer yourself, on PATH)"
    try:
        with _alone():
            if not os.access(place("godot"), os.X_OK):
                _build()
    except (_Problem, OSError) as problem:
        return str(problem)
    return None


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other process installs it."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "godot.installing").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build() -> None:
    """Build it in a folder beside its place, and move it there once it runs."""
    work, target = cache() / "godot.part", cache() / "godot"
    shutil.rmtree(work, ignore_errors=True)
    try:
        archives = _download(work / "apt", _mirror())
        _unpack(archives, work / "godot/root")
        _thin_out(work / "godot/root")
        start = work / "godot/bin/godot"
        start.parent.mkdir()
        start.write_text(START)
        start.chmod(0o755)
        _run(str(start), "--headless", "--version")
        shutil.rmtree(target, ignore_errors=True)
        (work / "godot").rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _mirror() -> str:
    """Return the address of the Debian archive that this machine's apt uses."""
    if _run("dpkg", "--print-architecture").strip() != "amd64":
        raise _Problem("it is unpacked for x86-64 only (install Godot 4.4 or newer yourself, on PATH)")
    targets = _run("apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)", "Created-By: Packages")
    for line in targets.splitlines():
        if line.startswith("Debian Debian "):
            return line.split()[2]
    # Before its first update apt knows of no targets, but what they will be is written in its sources.
    sources = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    text = "\n".join(source.read_text(errors="replace") for source in sources if source.is_file())
    found = re.search(r"^(?:URIs:|deb )[^#\n]*?(\w+://\S*/debian)/?(?:\s|$)", text, re.MULTILINE)
    if not found or not KEYRING.exists():
        raise _Problem("apt has no Debian mirror here (install Godot 4.4 or newer yourself, on PATH)")
    return found[1]


def _download(folder: Path, mirror: str) -> Path:
    """Download the packages and all that they need; return the folder where they are."""
    last = _Problem("there are no suites")
    for suite in SUITES:
        world = folder / suite
        for each in ("archives/partial", "lists/partial"):
            (world / each).mkdir(parents=True)
        (world / "status").touch()  # no package is installed in this world
        (world / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror} {suite} main\n")
        try:
            _apt(world, "update", "--error-on=any")
            _apt(world, "install", "--yes", "--download-only", *PACKAGES)
        except _Problem as problem:
            last = problem
        else:
            return world / "archives"
    raise last


def _apt(folder: Path, *arguments: str) -> None:
    """Run apt-get in a world of its own, which is in ``folder``."""
    options = {
        "Dir::State": folder,
        "Dir::State::status": folder / "status",
        "Dir::State::lists": folder / "lists",
        "Dir::Cache": folder,
        "Dir::Cache::archives": folder / "archives",
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Acquire::Languages": "none",
        "Acquire::Retries": 3,
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",  # its own user may not look into this user's cache
    }
    _run("apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items()), *arguments)


def _unpack(archives: Path, root: Path) -> None:
    """Unpack every package of a folder into one tree."""
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    excluded = " ".join(f"--exclude='./{folder}*'" for folder in UNWANTED)
    script = f'dpkg-deb --fsys-tarfile "$0" | tar -x -C "$1" --no-same-owner --keep-directory-symlink {excluded}'
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda archive: _run("sh", "-c", script, str(archive), str(root)), archives.glob("*.deb")))


def _thin_out(root: Path) -> None:
    """Leave only the Vulkan driver that draws in software: others would be asked first, and fail."""
    drivers = [*(root / "usr/share/vulkan/icd.d").glob("*.json"), *(root / LIBRARIES).glob("libvulkan_*.so")]
    for driver in drivers:
        if not driver.name.startswith(("lvp_icd", "libvulkan_lvp")):
            driver.unlink()


def _run(*command: str) -> str:
    """Run a program and return what it prints; raise what it complains of."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or [f"{command[0]} failed"]
        # apt's first error is the cause, its last one a summary.
        raise _Problem(next((line for line in lines if line.startswith("E: ")), lines[-1]))
    return done.stdout
