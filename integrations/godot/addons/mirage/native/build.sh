#!/bin/sh
# Build the addon's optional native code, for this machine: sh build.sh [GODOT]
#
# GODOT is the Godot that will run it (default: godot or godot4 on PATH); CC is the compiler (default: gcc). Makes
# bin/ and mirage_native.gdextension beside this file. Open the project once in the editor afterwards, or run Godot with
# --import: then Godot knows the library.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
godot=${1:-$(command -v godot || command -v godot4 || true)}
compiler=${CC:-gcc}
if [ -z "$godot" ]; then
	echo "there is no godot on PATH: say where it is, sh build.sh GODOT" >&2
	exit 1
fi

machine=$(uname -m)
case $machine in
	amd64) machine=x86_64 ;;
	aarch64) machine=arm64 ;;
esac
case $(uname -s) in
	Darwin) system=macos suffix=dylib ;;
	MINGW* | MSYS* | CYGWIN*) system=windows suffix=dll ;;
	*) system=linux suffix=so ;;
esac
library=bin/libmirage_native.$system.$machine.$suffix

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if ! (cd "$work" && "$godot" --headless --dump-gdextension-interface >log 2>&1); then
	tail -n 5 "$work/log" >&2
	exit 1
fi

mkdir -p "$here/bin"
# Built aside and moved, so that a Godot that runs keeps the library that it has mapped.
"$compiler" -std=c99 -O2 -Wall -Wextra -Wno-unused-parameter -fPIC -shared -fvisibility=hidden -I "$work" \
	-o "$work/library" "$here/mirage_native.c"
mv "$work/library" "$here/$library"

cat >"$here/mirage_native.gdextension" <<END
[configuration]

entry_symbol = "mirage_native_init"
compatibility_minimum = "4.4"

[libraries]

$system.$machine = "$library"
END
echo "built $here/$library with $compiler and the header of $("$godot" --headless --version 2>/dev/null | tail -n 1)"
