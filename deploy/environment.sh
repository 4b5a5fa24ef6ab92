# Sourced by ./run and ./test in the checkout: makes .venv and keeps it up to date.

fail() {
    echo "polyweb: $*" >&2
    exit 1
}

# The first Python 3.11 or newer on the PATH; PYTHON names another one.
find_python() {
    for python in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$python" >/dev/null 2>&1 &&
            "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            return 0
        fi
    done
    fail "Python 3.11 or newer is needed. Install it (Debian 12, Ubuntu 24.04 and later:" \
        "apt install python3 python3-venv), or set PYTHON to one."
}

# Debian's python3 comes without ensurepip, which venv needs; its package has the version's name.
make_venv() {
    find_python
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        package="$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
            echo "requirements  installing Debian's $package"
            { apt-get update -qq && apt-get install -qq -y "$package"; } >/dev/null ||
                fail "apt-get could not install $package; see above."
        else
            fail "$python cannot make virtual environments. As root: apt install $package"
        fi
    fi
    "$python" -m venv .venv || fail "Could not make .venv in $PWD; see above."
}

# install_requirements FILE: only when a requirements file or the Python has changed.
install_requirements() {
    [ -w . ] || fail "$PWD belongs to another user: run as that user, or make a clone of your own."
    if ! .venv/bin/python -c '' 2>/dev/null; then
        rm -rf .venv
        make_venv
    fi
    stamp=".venv/installed-$1"
    wanted="$(.venv/bin/python --version; cat requirements.txt "$1")"
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
        echo "requirements  unchanged"
        return 0
    fi
    echo "requirements  installing, which takes a minute or two"
    .venv/bin/python -m pip install -qq --disable-pip-version-check -r "$1" ||
        fail "pip could not install $1; see above."
    printf '%s' "$wanted" >"$stamp"
    echo "requirements  installed"
}
