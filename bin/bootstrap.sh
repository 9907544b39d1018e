# Sourced by the scripts beside it: gives them an environment that is exactly the lock file.
#
# An environment is named after its lock file's checksum and is made under another name, then
# renamed into place. So a start that finds it does nothing else, one that is interrupted leaves
# nothing half done, and two at the same time both get a whole one. Old ones stay, because an
# agent may be running from them; delete them whenever none is.

# Print a Python that is new enough, and runs: a name on the PATH may be an empty promise.
find_python() {
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    echo "membership needs Python 3.11 or newer, and there is none on the PATH." >&2
    return 1
}

# environment <directory> <lock file>: print the Python of an environment with these packages.
environment() {
    stamp=$(cksum <"$2" | tr ' ' '-')
    if [ ! -x "$1/$stamp/bin/python" ]; then
        build_environment "$1/$stamp" "$2" >&2 || return 1
    fi
    echo "$1/$stamp/bin/python"
}

build_environment() {
    base=$(find_python) || return 1
    partial="$1.partial.$$"
    trap 'rm -rf "$partial"' EXIT
    trap 'exit 130' INT TERM
    echo "Setting up $(basename "$(dirname "$1")") with $("$base" --version); this happens once."
    mkdir -p "$(dirname "$1")"
    if ! "$base" -m venv "$partial"; then
        echo "Python cannot make an environment here; on Debian and Ubuntu: apt install python3-venv"
        return 1
    fi
    if ! "$partial/bin/python" -m pip install -qq --disable-pip-version-check \
        --no-deps --require-hashes --requirement "$2"; then
        echo "Not everything could be installed; is the package index within reach? Then try again."
        return 1
    fi
    # Renaming over a whole environment fails: somebody else was faster, and theirs is as good.
    "$base" -c 'import os, sys; os.rename(*sys.argv[1:])' "$partial" "$1" 2>/dev/null ||
        [ -x "$1/bin/python" ]
}
