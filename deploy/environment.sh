# Sourced by the scripts beside it: makes the virtual environment .venv of this checkout and keeps it up to date.
# The environment is complete when the stamp in it agrees with pyproject.toml, the constraints and the extras.

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
environment=$repository/.venv

say() { printf '%s\n' "$*" >&2; }

find_python() {
  local candidate
  for candidate in python3 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  say "Python 3.11 or newer, with venv, is needed and was not found."
  return 2
}

# prepare_environment EXTRAS: install nawf in editable mode with these extras (comma-separated).
prepare_environment() {
  local extras=$1 stamp wanted python
  stamp=$environment/.nawf-installed-$extras
  wanted=$(cat "$repository/pyproject.toml" "$repository/deploy/constraints.txt" | cksum)
  if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && "$environment/bin/python" -c 'import nawf' 2>/dev/null; then
    return
  fi
  if ! "$environment/bin/python" -m pip --version >/dev/null 2>&1; then
    python=$(find_python)
    say "Making the virtual environment $environment"
    "$python" -m venv --clear "$environment"
  fi
  say "Installing nawf[$extras] and what it needs (a few minutes the first time)"
  local pip=("$environment/bin/python" -m pip install --quiet --disable-pip-version-check
    --constraint "$repository/deploy/constraints.txt")
  # torch first: asked for by another package, a range would bring whatever is newest.
  "${pip[@]}" torch
  "${pip[@]}" --editable "$repository[$extras]"
  printf '%s\n' "$wanted" >"$stamp"
}
