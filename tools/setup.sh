#!/bin/sh
# Makes .venv and installs kvnode into it, compiled; does nothing when nothing changed.
#
#   tools/setup.sh run     what a node needs
#   tools/setup.sh test    also the test tools, a C compiler, redis-server, Java, Node and its clients
#
# As root on a Debian-like machine missing system packages are installed, otherwise one line says
# what to install. Environment: PYTHON (default python3), KVNODE_COMPILE, KVNODE_OPT (see setup.py).
set -eu
cd "$(dirname "$0")/.."
purpose=${1:-run}
python=${PYTHON:-python3}
venv=.venv

say() { echo "setup: $*"; }
die() { say "$*" >&2; exit 1; }

# install_packages WHAT PACKAGE...: apt-get as root, else fail with the line to type.
install_packages() {
    what=$1
    shift
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        say "$what is missing; install it (Debian: apt-get install $*)" >&2
        return 1
    fi
    say "$what is missing: apt-get install $*"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"; } </dev/null \
        >/dev/null || die "apt-get install $* failed"
}

has_python() {
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# The compiler and the headers that setup.py looks for.
has_compiler() {
    "$python" -c 'import os, shlex, shutil, sys, sysconfig
compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
sys.exit(shutil.which(shlex.split(compiler)[0]) is None)'
}

has_headers() {
    "$python" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))'
}

# What is installed depends on the sources, the interpreter and the build's own settings.
fingerprint() {
    {
        "$venv/bin/python" -VV
        echo "${KVNODE_COMPILE:-1} ${KVNODE_OPT:-} ${CC:-}"
        has_compiler && has_headers && echo "can compile"
        find kvnode protocol cluster client -name '*.py' -print0 | sort -z | xargs -0 sha256sum
        sha256sum pyproject.toml setup.py
    } | sha256sum
}

has_python || install_packages "Python 3.11 or newer" python3 || exit 1
has_python || die "$python is older than 3.11; set PYTHON to a newer one"
"$python" -c 'import ensurepip' 2>/dev/null ||
    install_packages "Python's venv" python3-venv || exit 1
if [ "${KVNODE_COMPILE:-1}" != 0 ]; then
    if ! has_compiler; then
        install_packages "a C compiler" gcc libc6-dev ||
            [ "$purpose" = run ] || die "the tests need a C compiler"
    fi
    if ! has_headers; then
        install_packages "Python.h" python3-dev ||
            [ "$purpose" = run ] || die "the tests need Python's headers"
    fi
fi
if [ "$purpose" = test ] && ! command -v redis-server >/dev/null; then
    install_packages "redis-server" redis-server || exit 1
fi
if [ "$purpose" = test ] && ! { command -v node && command -v npm; } >/dev/null; then
    install_packages "Node" nodejs npm || exit 1
fi
if [ "$purpose" = test ] && ! command -v java >/dev/null; then
    install_packages "Java" default-jre-headless || exit 1
fi

if [ ! -x "$venv/bin/python" ]; then
    say "making $venv"
    "$python" -m venv "$venv"
fi

pip() { "$venv/bin/python" -m pip --disable-pip-version-check --quiet "$@"; }

# The tools of the build stay in .venv: an isolated build would fetch them again at every change.
tools="$(sha256sum pyproject.toml) $purpose"
if [ "$(cat "$venv/.tools-$purpose" 2>/dev/null)" != "$tools" ]; then
    say "installing tools and dependencies"
    pip install --upgrade pip
    "$venv/bin/python" - "$purpose" >"$venv/.requirements" <<'PY'
import sys
import tomllib

with open("pyproject.toml", "rb") as file:
    config = tomllib.load(file)
project = config["project"]
wanted = config["build-system"]["requires"] + project["dependencies"]
if sys.argv[1] == "test":
    wanted.append("kvnode[dev]")


def expanded(requirements):
    """Yield requirements, those of our own extras in the place of their names."""
    for line in requirements:
        if line.startswith("kvnode["):
            yield from expanded(project["optional-dependencies"][line[7:-1]])
        else:
            yield line


print("\n".join(dict.fromkeys(expanded(wanted))))
PY
    pip install --requirement "$venv/.requirements"
    echo "$tools" >"$venv/.tools-$purpose"
fi

# The libraries of Node, and redis-py's own tests, which its wheel leaves out: see docs/clients.md.
if [ "$purpose" = test ]; then
    clients=tests/clients/node
    locked="$(node --version) $(sha256sum "$clients/package-lock.json")"
    if [ "$(cat "$clients/node_modules/.locked" 2>/dev/null)" != "$locked" ]; then
        say "installing the clients of Node"
        npm ci --prefix "$clients" --ignore-scripts --no-audit --no-fund --loglevel error </dev/null >/dev/null \
            || die "npm ci failed in $clients"
        echo "$locked" >"$clients/node_modules/.locked"
    fi
    version=$("$venv/bin/python" -c 'import redis; print(redis.__version__)')
    suite=$venv/redis-py-$version
    if [ ! -d "$suite" ]; then
        say "fetching the tests of redis-py $version"
        rm -rf "$venv/.sdist"
        pip download --no-deps --no-binary redis --dest "$venv/.sdist" "redis==$version"
        mkdir -p "$venv/.sdist/tests"
        tar -xzf "$venv/.sdist/redis-$version.tar.gz" -C "$venv/.sdist/tests" --strip-components=1 \
            "redis-$version/tests" "redis-$version/pyproject.toml"
        mv "$venv/.sdist/tests" "$suite"
        rm -rf "$venv/.sdist"
    fi
fi

now=$(fingerprint)
if [ "$(cat "$venv/.installed" 2>/dev/null)" != "$now" ]; then
    if [ "${KVNODE_COMPILE:-1}" != 0 ] && has_compiler && has_headers; then
        say "compiling (a minute or two)"
    fi
    rm -rf build/bdist* ./*.egg-info "$venv/.installed"
    # A deleted module would live on in setuptools' copy of the tree; with the same modules as
    # before the copy spares compiling what did not change.
    names=$(find kvnode protocol cluster client -name '*.py' | sort | sha256sum)
    [ "$(cat build/.names 2>/dev/null)" = "$names" ] || rm -rf build/lib*
    log=$venv/build.log
    build() {
        "$venv/bin/python" -m pip install --verbose --no-build-isolation --no-deps . \
            >"$log" 2>&1 </dev/null
    }
    # mypyc 2.4 can fail on what an older build left behind; a build from nothing does not.
    build || { rm -rf build && build; } || {
        cat "$log" >&2
        die "the build failed; its whole output stands above and in $log"
    }
    grep -o 'kvnode: building without compiled modules.*' "$log" | head -n 1 || true
    rm -rf ./*.egg-info
    mkdir -p build
    echo "$names" >build/.names
    echo "$now" >"$venv/.installed"
fi
